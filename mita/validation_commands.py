"""``mita validate``."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.compliance.catalogue import load
from deployer.compliance.report import ComplianceStatus, Finding, Outcome, Report
from deployer.compliance.validation import validate as validated
from deployer.compliance.views import FORMATS
from deployer.compliance.waivers import read_waivers
from deployer.desired import PRODUCTION, read
from deployer.errors import ConfigurationError
from deployer.files import replace_atomically
from mita.options import attached, environment_options

# 1 is an error and 2 a usage error, as with every command.
CODES = {ComplianceStatus.COMPLIANT: 0, ComplianceStatus.NON_COMPLIANT: 3, ComplianceStatus.INCOMPLETE: 4}
_COLOURS = {
    ComplianceStatus.COMPLIANT: "green",
    ComplianceStatus.NON_COMPLIANT: "red",
    ComplianceStatus.INCOMPLETE: "yellow",
}
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def validate() -> None:
    """Check what is deployed against what is demanded of it; changes nothing."""


@validate.command(
    epilog="""\b
Examples:
  mita validate encryption
  mita validate encryption --format json --output encryption.json
  mita validate encryption --format html --output encryption.html --waivers waivers.toml
  mita validate encryption --source ../mita --source ../mita-infrastructure

\b
The waivers file has one table a waiver, and every waiver ends:
  [[waivers]]
  control = "secret-age"
  owner = "payments team"
  reason = "The vendor issues the next key in March."
  expires = 2027-03-31

\b
Exits with 0 for COMPLIANT, 3 for NON_COMPLIANT, 4 for INCOMPLETE (a control that could not be
checked is no pass), 1 for an error.
""",
)
@environment_options
@click.option(
    "--format",
    "form",
    type=click.Choice(tuple(FORMATS)),
    default="markdown",
    show_default=True,
    help="How the report is written.",
)
@click.option("--output", type=_FILE, metavar="FILE", help="Where to; standard output unless given.")
@click.option(
    "--waivers", type=_FILE, metavar="FILE", help="Findings that somebody answers for, until a day."
)
@click.option(
    "--source",
    "trees",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Search this source tree for hardcoded secrets as well; can be repeated.",
)
@click.option(
    "--desired",
    type=_FILE,
    default=PRODUCTION,
    metavar="FILE",
    help="Another desired state than production.toml.",
)
@click.pass_context
def encryption(
    context: click.Context,
    *,
    environment: str,
    config: Path | None,
    form: str,
    output: Path | None,
    waivers: Path | None,
    trees: tuple[Path, ...],
    desired: Path,
) -> None:
    """Check encryption, access, audit and hygiene of the secrets: SOX, PCI DSS and GDPR.

    No secret value is read, and none is written: what looks like one is named by its
    place and a fingerprint.
    """
    catalogue = load()
    held = read_waivers(waivers, {control.id for control in catalogue.controls}) if waivers else ()
    if output is not None:
        _require_directory(output)
    place = attached(environment, config)
    report = validated(
        place.connections(),
        read(desired),
        environment=place.name,
        waivers=held,
        trees=trees,
        catalogue=catalogue,
    )
    text = FORMATS[form](report)
    if output is None:
        click.echo(text, nl=False)
    else:
        replace_atomically(output, text)
    _tell(report, output)
    context.exit(CODES[report.compliance_status])


def _require_directory(output: Path) -> None:
    """Refuse before anything is asked what could not be written afterwards."""
    if not output.absolute().parent.is_dir():
        raise ConfigurationError(
            str(output),
            expected="a file in a directory that exists",
            seen=f"no directory {output.parent}",
            remedy="Make the directory, or name another place.",
        )


def _tell(report: Report, output: Path | None) -> None:
    """Say on standard error what it came to, and name what needs somebody."""
    status = click.style(report.compliance_status, fg=_COLOURS[report.compliance_status], bold=True)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in report.summary.items() if count)
    click.echo(f"{status} after {report.seconds:.1f} s: {counts}", err=True)
    for result in report.of(Outcome.FAILED, Outcome.NOT_CHECKED):
        for finding in result.findings:
            if finding.waiver is None:
                _show(f"{result.outcome} {result.control}", finding)
    if output is not None:
        click.echo(f"Report: {output}", err=True)


def _show(what: str, finding: Finding) -> None:
    click.echo(f"{what}: {finding.subject}: {finding.seen}. {finding.remedy}", err=True)
