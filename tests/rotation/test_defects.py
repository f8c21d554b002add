"""Each planted defect is noticed by the test that is named for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployer import lambda_package
from tests.rotation.defects import DEFECTS, Defect

_ROOT = Path(__file__).parents[2]
_SOURCES = Path(lambda_package.__file__).parent / "artifacts/infrastructure/lambda/secret-rotation"
_TESTS_FAILED = 1  # pytest's exit code: they ran, and some failed


@pytest.mark.embedded
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_is_noticed(defect: Defect, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    shutil.copytree(_SOURCES, sources, ignore=shutil.ignore_patterns("__pycache__"))
    path = sources / f"{defect.module}.py"
    text = path.read_text()
    assert text.count(defect.right) == 1
    path.write_text(text.replace(defect.right, defect.wrong))

    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *("-o", f"pythonpath={sources}", f"tests/rotation/{defect.test}"),
        ],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == _TESTS_FAILED, done.stdout + done.stderr
    # In its body, not on the way there.
    assert f"FAILED tests/rotation/{defect.test}" in done.stdout, done.stdout
    assert "SyntaxError" not in done.stdout
