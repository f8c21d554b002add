"""``mita init`` and ``mita doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.errors import ConfigurationError
from environments.real import template
from mita.console import show_error
from mita.doctor import Finding, examine
from mita.options import environment_options

_OK = 0
_LACKING = 1


@click.command(
    epilog="""\b
Examples:
  mita init
  mita init staging.toml
"""
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=Path("mita.toml"))
def init(file: Path) -> None:
    """Write a commented configuration of a real environment; what is there already is left alone."""
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(template())
    except FileExistsError:
        raise ConfigurationError(
            str(file), expected="no such file", seen="one", remedy="Name another file, or edit that one."
        ) from None
    except OSError as error:
        raise ConfigurationError(
            str(file),
            expected="a file that can be written",
            seen=error.strerror or type(error).__name__,
            remedy="Name another file.",
        ) from error
    click.echo(f"Fill in {file}, then: mita doctor --environment production --config {file}")


@click.command(
    epilog="""\b
Examples:
  mita doctor                                                 the embedded environment
  mita doctor --environment production --config mita.toml     before a smoke run, or a deployment

\b
Exits with 0 when nothing is lacking for a smoke run, 1 otherwise.  It only reads.
"""
)
@environment_options
@click.pass_context
def doctor(context: click.Context, environment: str, config: Path | None) -> None:
    """Check what a smoke run needs, and name each lack with its remedy."""
    lacking = 0
    for finding in examine(environment, config):
        _show(finding)
        lacking += finding.counts
    click.echo(f"{lacking} lacking." if lacking else "Nothing is lacking for a smoke run.")
    context.exit(_LACKING if lacking else _OK)


def _show(finding: Finding) -> None:
    if finding.lack is None:
        click.echo(f"{click.style('✓', fg='green')} {finding.what}  {finding.detail}".rstrip())
        return
    mark = click.style("✗", fg="red") if finding.counts else click.style("-", fg="yellow")
    click.echo(f"{mark} {finding.what}  {finding.detail}".rstrip())
    show_error(finding.lack, answer=True)
