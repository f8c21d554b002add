"""What the deployment guide's own commands work on, for those who go through it by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from deployer.connections import Connections
from deployer.desired import ROOT, Desired
from deployer.errors import ConfigurationError
from deployer.helm import merged
from deployer.rendering import filled_in


def manifest_values(desired: Desired, connections: Connections) -> dict[str, str]:
    """Return what manifests may refer to as ``${NAME}``."""
    given = {**desired.manifest_values, **connections.manifest_values}
    arns = f"arn:aws:iam::{connections.account}:role/"
    readers = [arns + role.name for role in desired.roles if role.allows("secretsmanager:GetSecretValue")]
    return {
        **given,
        "ACCOUNT": connections.account,
        "ROLE_ARN": arns + desired.roles[0].name,
        "REGION": connections.region,
        "KEY_ALIAS": desired.key.alias,
        "SECRET_PREFIX": desired.secret_store.prefix.rstrip("/"),
        "SECRET_NAMES": ",".join(secret.name for secret in desired.secrets),
        "READERS": ",".join([*readers, *filter(None, [given.get("OTHER_READERS")])]),
    }


def write_artifacts(desired: Desired, connections: Connections, into: Path) -> list[Path]:
    """Write manifests, charts and values under the guide's own paths, placeholders filled in.

    Args:
        desired: The desired state.
        connections: The place that they are for.
        into: A directory that is not there yet, or is empty.

    Returns:
        What was written, below `into`.

    Raises:
        ConfigurationError: The directory has something in it, or cannot be written.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        if any(into.iterdir()):
            raise ConfigurationError(
                str(into), expected="an empty directory", seen="files", remedy="Name another directory."
            )
        return _written(desired, connections, into)
    except OSError as error:
        raise ConfigurationError(
            str(into),
            expected="a directory that can be written",
            seen=error.strerror or type(error).__name__,
            remedy="Name another directory.",
        ) from error


def _written(desired: Desired, connections: Connections, into: Path) -> list[Path]:
    values = manifest_values(desired, connections)
    written = []
    for group in desired.manifests:
        for file in group.files:
            target = into / Path(group.directory).relative_to("artifacts") / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(filled_in(ROOT / group.directory / file, values), encoding="utf-8")
            written.append(target)
    for release in desired.releases:
        operator = release.chart == "operator"
        if operator:
            target, added = into / "helm" / release.name, connections.operator_values
        else:
            target, added = (
                into / Path(release.chart).relative_to("artifacts"),
                connections.application_values,
            )
        source = Path(connections.operator_chart.reference) if operator else ROOT / release.chart
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
            written.append(target)
        values_file = into / f"{release.name}-values.yaml"
        values_file.write_text(yaml.safe_dump(merged(release.values, added)), encoding="utf-8")
        written.append(values_file)
    return written
