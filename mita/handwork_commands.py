"""``mita render``."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.desired import PRODUCTION, read
from deployer.handwork import write_artifacts
from mita.options import attached, environment_options


@click.command(
    epilog="""\b
Examples:
  mita render by-hand && cd by-hand
  kubectl apply -f k8s/external-secrets/secret-stores.yaml
  helm upgrade --install mita-production ./k8s/mita -n mita-production -f mita-production-values.yaml
"""
)
@environment_options
@click.option(
    "--desired",
    type=click.Path(dir_okay=False, path_type=Path),
    default=PRODUCTION,
    metavar="FILE",
    help="Another desired state than production.toml.",
)
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def render(*, environment: str, config: Path | None, desired: Path, directory: Path) -> None:
    """Write manifests, charts and values for an environment, to look at or to apply by hand.

    They lie under the deployment guide's own paths; the deployer applies the same ones.
    """
    for path in write_artifacts(read(desired), attached(environment, config).connections(), directory):
        click.echo(path)
