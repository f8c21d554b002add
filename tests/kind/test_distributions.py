"""Python in images: what is pinned, and what of it gets there."""

from __future__ import annotations

import configparser
import subprocess
import tomllib
from pathlib import Path, PurePosixPath

import pytest
import uv

from environments.kind.offline import distributions, inputs
from environments.kind.offline.table import load

PROJECT = Path(__file__).parents[2]
TABLE = load()
WITH_PYTHON = {name: recipe for name, recipe in TABLE.images.items() if recipe.python}
AWS = "environments/embedded/aws"
# Where each file comes from.
EXPORTED = {
    "mita": ("--only-group", "image-mita"),
    "monitoring": ("--only-group", "image-monitoring"),
    "secret-exporter": ("--only-group", "image-secret-exporter"),
    "localstack": (
        "--project",
        f"{AWS}/runtime",
        "--no-emit-project",
        "--no-emit-package",
        "mita-localstack",
    ),
    "functions": ("--project", f"{AWS}/functions", "--no-emit-project"),
}


@pytest.mark.parametrize("name", EXPORTED)
def test_what_images_pin_is_what_the_locks_pin(name: str) -> None:
    done = subprocess.run(
        [uv.find_uv_bin(), "export", "--frozen", "--no-header", "--no-annotate", "--quiet", *EXPORTED[name]],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    # Otherwise the same command with `--output-file` and the file's path makes it anew.
    assert inputs.requirements(name).read_text() == done.stdout


def test_every_file_of_pins_is_held_against_a_lock() -> None:
    assert {name for recipe in WITH_PYTHON.values() for name in recipe.python} == set(EXPORTED)


@pytest.mark.parametrize("name", WITH_PYTHON)
def test_an_image_with_distributions_is_of_a_debian_whose_python_is_known(name: str) -> None:
    recipe = WITH_PYTHON[name]
    assert (recipe.suite or TABLE.debian.suite) in distributions.known()
    assert "python3" in recipe.packages
    assert all((inputs.module_directory(module) / "__init__.py").is_file() for module in recipe.modules)
    assert recipe.environment["PYTHONPATH"] in recipe.python.values()


def test_localstack_finds_the_plug_ins_as_where_they_are_installed() -> None:
    project = tomllib.loads((PROJECT / AWS / "plugins/pyproject.toml").read_text())["project"]
    (information,) = (inputs.FILES / "localstack/opt/mita").glob("*.dist-info")
    assert information.name == f"mita_localstack-{project['version']}.dist-info"
    points = configparser.ConfigParser()
    points.read(information / "entry_points.txt")
    assert {group: dict(points[group]) for group in points.sections()} == project["entry-points"]


def test_pins_are_read_with_and_without_extras_and_markers() -> None:
    text = (
        "a-b==1.0 \\\n    --hash=sha256:00\n    # via c\n"
        'pyjwt[crypto]==2.10.1 ; python_full_version >= "3.12" \\\n    --hash=sha256:11\n'
    )
    assert distributions.pinned(text) == [("a-b", "1.0"), ("pyjwt", "2.10.1")]


@pytest.mark.parametrize(
    ("name", "stays_out"),
    [
        ("bin/uvicorn", True),
        ("uvicorn/__pycache__/main.pyc", True),
        ("thing-1.0.dist-info/direct_url.json", True),
        ("uvicorn/bin/__init__.py", False),
        ("thing-1.0.dist-info/METADATA", False),
    ],
)
def test_what_tells_of_the_machine_stays_out(name: str, stays_out: bool) -> None:
    assert distributions.leaves_out(PurePosixPath(name)) is stays_out
