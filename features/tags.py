"""The tags that scenarios may carry."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from environments.protocol import Capability
from evidence.catalogue import NEEDS
from evidence.criteria import Criterion

DIRECTORY = Path(__file__).parent
CRITERIA_FILE = DIRECTORY / "criteria.toml"
PRODUCTION_SMOKE = "production-smoke"
CHAOS = "chaos"
CRITERION_TAG = re.compile(r"[A-Z]\d+(\.\d+)?")


def registered(criteria: Iterable[Criterion]) -> dict[str, str]:
    """Return every tag that a scenario may carry, with what it means."""
    tags = {criterion.id: f"{criterion.section}: {criterion.text}" for criterion in criteria}
    tags |= {NEEDS + capability: f"needs an environment that has {capability}" for capability in Capability}
    tags[PRODUCTION_SMOKE] = "only reads, so it may run against production"
    tags[CHAOS] = "breaks or forces something under load, and sees it put right"
    return tags


def needed_capabilities(tags: Iterable[str]) -> frozenset[Capability]:
    """Return the capabilities that a scenario's tags ask for.

    Raises:
        ValueError: A tag asks for a capability that does not exist.
    """
    return frozenset(Capability(tag.removeprefix(NEEDS)) for tag in tags if tag.startswith(NEEDS))
