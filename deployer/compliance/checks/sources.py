"""What is demanded of source."""

from __future__ import annotations

from deployer.compliance.catalogue import Limits
from deployer.compliance.checks.cluster import suspicious
from deployer.compliance.checks.verdict import Verdict, known, require
from deployer.compliance.facts import Facts


def hardcoded_secrets(facts: Facts, _limits: Limits) -> Verdict:
    """Demand that no secret is written down."""
    sources = known(facts.sources)
    require(met=sources.files > 0, where="source trees", reason="they have no file to search")
    return Verdict(f"{sources.files} files searched", suspicious(sources.suspects))
