"""The deployment guide's name for ``mita validate encryption``.

python3 scripts/secret-encryption-validator.py --environment production \
    --report-format json --output-file /tmp/encryption-validation-report.json
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = {"--report-format": "--format", "--output-file": "--output"}
OURS = ROOT / ".venv" / "bin" / "python"


def translated(arguments: list[str]) -> list[str]:
    """Return the guide's arguments as the command's."""
    result: list[str] = []
    for argument in arguments:
        name, sign, value = argument.partition("=")
        result.append(OPTIONS.get(name, name) + sign + value)
    return result


def main() -> None:
    """Run the command, with this project's own Python where the caller's does not know it."""
    try:
        from mita.cli import main as mita  # noqa: PLC0415  whether it is there is the question
    except ImportError:
        if OURS.exists() and Path(sys.prefix) != OURS.parent.parent:
            os.execv(OURS, [str(OURS), *sys.argv])  # noqa: S606  no shell is wanted
        sys.exit("The project is not installed: run make test, or uv sync, first.")
    sys.argv = ["mita", "validate", "encryption", *translated(sys.argv[1:])]
    mita()


if __name__ == "__main__":
    main()
