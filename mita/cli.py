"""The ``mita`` command."""

from __future__ import annotations

import importlib
import sys

import click

from deployer.errors import MitaError
from mita.console import show_error

# Each command is imported when it is asked for: `mita status` needs no test framework.
_COMMANDS = {
    "accept": "mita.evidence_commands:accept",
    "up": "mita.environment_commands:up",
    "down": "mita.environment_commands:down",
    "status": "mita.environment_commands:status",
    "env": "mita.environment_commands:env",
    "plan": "mita.deployment_commands:plan",
    "deploy": "mita.deployment_commands:deploy",
    "rotate": "mita.rotation_commands:rotate",
    "chaos": "mita.chaos_command:chaos",
    "rollback": "mita.rollback_command:rollback",
    "validate": "mita.validation_commands:validate",
    "render": "mita.handwork_commands:render",
    "init": "mita.setup_commands:init",
    "doctor": "mita.setup_commands:doctor",
    "handover": "mita.handover_command:handover",
    "notify": "mita.notify_command:notify",
    "month": "mita.month_command:month",
    "images": "mita.images_command:images",
    "thresholds": "mita.thresholds_command:thresholds",
    "report": "mita.report_commands:report",
}
_INTERRUPTED = 130

_EPILOG = """\b
Examples:
  mita accept                 the whole thing: up, deploy, features, report
  mita up && mita deploy --rehearse
  eval "$(mita env)" && kubectl get pods -A
  mita down
"""


class _Commands(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.command(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mita-secret-acceptance", prog_name="mita")
def cli() -> None:
    """Deploy MITA Finance's secret management, and prove it."""


def main() -> None:
    """Run a command; a failure is explained in four lines and ends with code 1, Ctrl-C with 130."""
    try:
        code = cli.main(standalone_mode=False)
    except MitaError as error:
        show_error(error)
        sys.exit(1)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(_INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
