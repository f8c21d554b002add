"""A validation: gather, judge, report.

report = validate(connections, read(), environment="embedded")
"""

from __future__ import annotations

import time
from pathlib import Path

from deployer.compliance import judging
from deployer.compliance.catalogue import Catalogue, load
from deployer.compliance.gathering import Gathering
from deployer.compliance.report import Report
from deployer.compliance.waivers import Waiver
from deployer.connections import Connections
from deployer.desired import PRODUCTION, ROOT, Desired
from deployer.errors import ConfigurationError

OUR_TREES = (ROOT / "artifacts", PRODUCTION)
"""What is deployed: charts, manifests, functions, and the desired state."""


def validate(
    connections: Connections,
    desired: Desired,
    *,
    environment: str,
    waivers: tuple[Waiver, ...] = (),
    trees: tuple[Path, ...] = (),
    catalogue: Catalogue | None = None,
) -> Report:
    """Validate a place; changes nothing there and reads no secret value.

    Args:
        connections: The place.
        desired: What it was deployed from.
        environment: Its name.
        waivers: What is put up with, besides what the environment declares of itself.
        trees: Source trees to search besides ours.
        catalogue: Other controls than those of this package.

    Raises:
        ConfigurationError: A source tree does not exist.
    """
    began = time.monotonic()
    for tree in trees:
        if not tree.exists():
            raise ConfigurationError(
                f"source tree {tree}",
                expected="a directory or a file",
                seen="nothing",
                remedy="Give its path.",
            )
    catalogue = catalogue or load()
    searched = (*OUR_TREES, *(tree.resolve() for tree in trees))
    facts = Gathering(connections, desired, catalogue.limits, searched).facts()
    held = (*connections.insight.exemptions, *waivers)
    results = judging.judge(catalogue, facts, held)
    return Report(
        compliance_status=judging.status(results),
        environment=environment,
        account=connections.account,
        region=connections.region,
        cluster=connections.cluster.name,
        validated_at=facts.now,
        seconds=round(time.monotonic() - began, 2),
        summary=judging.summary(results),
        frameworks=judging.frameworks(results),
        controls=results,
        waivers=held,
    )
