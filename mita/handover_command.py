"""``mita handover``."""

from __future__ import annotations

import os
from pathlib import Path

import click
from pydantic import SecretStr

from deployer.desired import PRODUCTION, read
from deployer.errors import NotReadyError
from deployer.failures import explained
from deployer.files import replace_atomically
from deployer.notifications import Slack
from evidence.handover import markdown, measure, message, read_checklist, track
from evidence.manifest import require_unchanged
from evidence.model import load_run
from evidence.report import LATEST
from mita.options import attached, environment_options
from mita.report_commands import REPORTS

_WEBHOOK = "SLACK_WEBHOOK_URL"  # the guide's


@click.command(
    epilog="""\b
Examples:
  mita handover                              of the latest run, printed
  mita handover reports/20260102T030405Z-embedded --output handover.md
  mita handover --slack                      and tell the team, with the status as it is
"""
)
@environment_options
@click.argument("run", type=click.Path(file_okay=False, path_type=Path), default=REPORTS / LATEST)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File; printed if left out.")
@click.option("--slack", is_flag=True, help="Send the message that it is done.")
def handover(*, environment: str, config: Path | None, run: Path, output: Path | None, slack: bool) -> None:
    """Write the deployment report of a run: what is there, what was shown, what is open."""
    directory = run.resolve()
    require_unchanged(directory)
    results = load_run(directory)
    tracked = track(read_checklist(), results)
    connections = attached(environment, config).connections()
    with explained("what was deployed"):
        facts = measure(connections, read(PRODUCTION))
    text = markdown(results, facts, tracked)
    if output is None:
        click.echo(text, nl=False)
    else:
        replace_atomically(output.absolute(), text)
        click.echo(f"Report: {output}")
    if slack:
        url = os.environ.get(_WEBHOOK) or connections.endpoints.slack
        if url is None:
            raise NotReadyError(
                "Slack", expected="a webhook", seen="none", remedy=f"Set {_WEBHOOK}; it is a credential."
            )
        Slack(SecretStr(url)).post(message(results, facts, tracked))
        click.echo("Slack was told.", err=True)
