"""``mita report``: a run's report, and whether it is still what the run left."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.errors import ConfigurationError, RefusedError
from evidence.assessment import Verdict, assess
from evidence.explanations import read_explanations
from evidence.fidelity import compare_environments
from evidence.fidelity_report import in_words, write_fidelity
from evidence.forms import write_forms
from evidence.manifest import MANIFEST_FILE, load_manifest, require_unchanged, seal, verify
from evidence.model import load_run
from evidence.report import LATEST, REPORT_FILE, duration

REPORTS = Path(__file__).parent.parent / "reports"
EXPLANATIONS = Path(__file__).parent.parent / "docs" / "fidelity.toml"

_CODES = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.INCOMPLETE: 3}
_WRITE = "write"


class _WritesByDefault(click.Group):
    """A group whose first command is meant where none is named: ``mita report DIR``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [_WRITE, *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=_WritesByDefault,
    epilog="""\b
Examples:
  mita report
  mita report reports/20260102T030405Z-embedded
  mita report verify reports/20260102T030405Z-embedded
  mita report compare

\b
Without a command it writes.
""",
)
def report() -> None:
    """Write the report of a run anew, see whether it was touched, or set two runs side by side."""


_run = click.argument(
    "run", type=click.Path(file_okay=False, path_type=Path), default=REPORTS / LATEST, required=False
)


@report.command(_WRITE)
@_run
@click.pass_context
def write(context: click.Context, run: Path) -> None:
    """Write the report of a run, the latest unless named, anew from its results, and tell its verdict.

    Refused when the run's files are no longer as it left them.
    Exits as the run did: 0 for passed, 1 for failed, 3 for incomplete.
    """
    directory = run.resolve()
    require_unchanged(directory)
    write_forms(load_run(directory), directory)
    seal(directory)
    tell(directory)
    context.exit(code(directory))


@report.command("verify")
@_run
def verify_run(run: Path) -> None:
    """Hold the report of a run, the latest unless named, against the manifest that the run wrote.

    Exits with 1 when a file was changed, is missing or was added since.
    """
    directory = run.resolve()
    if differences := verify(directory):
        click.echo(str(differences))
        raise RefusedError(
            str(directory),
            expected=f"the files of the run, as {MANIFEST_FILE} has them",
            seen=differences.summary,
            remedy="Take the directory from where it was kept unchanged; what was changed is no evidence.",
        )
    click.echo(f"Unchanged: {len(load_manifest(directory).files)} files of {directory}")


@report.command("compare")
@click.argument("runs", nargs=-1, type=click.Path(file_okay=False, path_type=Path), metavar="[RUN RUN]")
@click.option(
    "--explanations",
    type=click.Path(dir_okay=False, path_type=Path),
    default=EXPLANATIONS,
    help="Why scenarios end otherwise.  [default: docs/fidelity.toml]",
)
@click.option(
    "--to",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=REPORTS / "fidelity.html",
    help="Where the page is written.  [default: reports/fidelity.html]",
)
@click.pass_context
def compare(context: click.Context, runs: tuple[Path, ...], explanations: Path, file: Path) -> None:
    """Set two runs side by side, the latest whole ones in embedded and in kind unless named.

    Exits with 1 when a scenario ended otherwise and nobody has explained it, or when there is none in both.
    """
    if len(runs) not in (0, 2):
        raise click.UsageError("name both runs, or none")
    one, other = runs or (_latest_whole("embedded"), _latest_whole("kind"))
    known = read_explanations(explanations)
    for each in (one, other):
        _require_outside(each, file)
        require_unchanged(each.resolve())
    found = compare_environments(load_run(one), load_run(other), known)
    write_fidelity(found, file)
    for line in in_words(found):
        click.echo(line)
    click.echo(f"Side by side: {file}")
    context.exit(1 if found.unexplained else 0)


def _require_outside(run: Path, file: Path) -> None:
    """Let pass a file that would not be written among those of a run.

    Raises:
        RefusedError: It would.
    """
    place = file.parent.resolve() / file.name  # a link is replaced where it is, not where it leads
    if place.is_relative_to(run.resolve()):
        raise RefusedError(
            f"--to {file}",
            expected="a file outside both runs",
            seen=f"a place in {run}, whose files stay as the run left them",
            remedy="Name another place, or leave --to out.",
        )


def _latest_whole(environment: str) -> Path:
    """Return the latest run that came to its end with every scenario.

    Raises:
        ConfigurationError: There is none.
    """
    for place in sorted(REPORTS.glob(f"*-{environment}"), reverse=True):
        run = load_run(place)
        if run.finished and not run.selection and not run.scope:
            return place
    raise ConfigurationError(
        str(REPORTS),
        expected=f"a whole run in {environment}",
        seen="none",
        remedy=f"Make one: mita accept --environment {environment}",
    )


def code(directory: Path) -> int:
    """Return the exit code that a run's verdict stands for."""
    return _CODES[assess(load_run(directory)).verdict]


def tell(directory: Path, seconds: float | None = None) -> None:
    """Print a run's verdict, why it is not better, and where its report lies."""
    assessment = assess(load_run(directory))
    took = "" if seconds is None else f" after {duration(seconds)}"
    click.echo(f"Verdict: {assessment.verdict}{took}")
    for reason in (*assessment.reasons, *assessment.remarks):
        click.echo(f"  {reason}")
    click.echo(f"Report: {directory / REPORT_FILE}")
