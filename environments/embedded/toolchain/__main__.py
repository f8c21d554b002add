"""Build the embedded environment's programs ahead of time, telling how far it is."""

from __future__ import annotations

import time

import click

from deployer.errors import MitaError
from deployer.progress import Step, silent
from environments.embedded.locations import cache_directory
from environments.embedded.toolchain.provision import ALL, Toolchain

_EVERY_SECONDS = 10

_EPILOG = """\b
Examples:
  python -m environments.embedded.toolchain               build what is missing
  python -m environments.embedded.toolchain helm kubectl  only these two
  python -m environments.embedded.toolchain --list        tell where each one is
  MITA_CACHE=/big/disk python -m environments.embedded.toolchain

\b
Programs in KUBEBUILDER_ASSETS, in the cache, or on PATH in the pinned version
are used as they are.  A build that is cut short goes on where it was.
"""


class _Lines:
    """Writes every step as a line, but of a build's passing seconds only one line in ten."""

    def __init__(self) -> None:
        self._written = 0.0

    def __call__(self, step: Step, /) -> None:
        passing = step.state == "progress" and step.fraction is not None
        if passing and time.monotonic() - self._written < _EVERY_SECONDS:
            return
        self._written = time.monotonic()
        percent = f"{step.fraction:4.0%}" if passing else ""
        click.echo(f"{step.subject:24} {step.state:8} {percent:4} {step.detail}".rstrip())


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("tools", nargs=-1, type=click.Choice(ALL), metavar="[TOOL]...")
@click.option("--list", "listing", is_flag=True, help="Tell where each one is, and build nothing.")
def main(tools: tuple[str, ...], *, listing: bool) -> None:
    """Find or build the programs of the embedded environment (all, or those named)."""
    try:
        toolchain = Toolchain(cache_directory())
        if listing:
            _list(toolchain, tools or ALL)
        else:
            toolchain.ensure(_Lines(), tools or ALL)
    except MitaError as error:
        for label, text in (
            ("failed", error.subject),
            ("expected", error.expected),
            ("seen", error.seen),
            ("remedy", error.remedy),
        ):
            click.echo(f"{label:9} {text}", err=True)
        raise SystemExit(1) from None


def _list(toolchain: Toolchain, names: tuple[str, ...]) -> None:
    for name in names:
        artefact = toolchain.catalogue[name]
        found = toolchain.locate(name, silent)
        where = f"{found.where}: {found.path}" if found else f"to build (about {artefact.seconds} s)"
        click.echo(f"{name:24} {artefact.version:9} {where}")


if __name__ == "__main__":
    main(prog_name="python -m environments.embedded.toolchain")
