"""The handover of a deployment: its report, the checklists, and the message that it is done."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployer.cluster import Cluster
from deployer.connections import Connections
from deployer.desired import Desired
from deployer.errors import ConfigurationError
from deployer.rendering import condition
from evidence.assessment import Standing, Verdict, assess
from evidence.model import Run, Status

CHECKLIST = Path(__file__).with_name("handover.toml")
CHANNEL = "#deployments"  # the guide's
_API = "external-secrets.io/v1beta1"

Text = Annotated[str, Field(min_length=1)]
Json = dict[str, Any]


class Done(BaseModel):
    """That somebody has done it.

    Attributes:
        on: The day.
        by: The role that answers for it.
        where: Where it can be seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: date
    by: Text
    where: Text


class Item(BaseModel):
    """An entry of the checklists.

    Attributes:
        text: What.
        owner: The role that sees to it.
        due_days: Until when, in days from the deployment.
        criteria: Promises by which it is done, all of them.
        done: That somebody has done it, where no promise says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: Text
    owner: Text
    due_days: Annotated[int, Field(ge=0)]
    criteria: tuple[Text, ...] = ()
    done: Done | None = None


class _Checklist(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    item: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Tracked:
    """An entry and how it stands.

    Attributes:
        item: The entry.
        evidence: What shows that it is done; None while it is open.
        due: Until when.
    """

    item: Item
    evidence: str | None
    due: date


@dataclass(frozen=True, slots=True)
class Facts:
    """What is there, measured.

    Attributes:
        key: Id of the key.
        secrets: How many secrets there are below the prefix.
        functions: How many rotation functions.
        operator_pods: Pods of the operator that are ready.
        external_secrets: External secrets that are ready, and all of them.
        replicas: Pods of the application that are ready.
    """

    key: str
    secrets: int
    functions: int
    operator_pods: int
    external_secrets: tuple[int, int]
    replicas: int


def read_checklist(path: Path = CHECKLIST) -> tuple[Item, ...]:
    """Read the checklists.

    Raises:
        ConfigurationError: An entry lacks an owner or a due day, or is not as it should be.
    """
    try:
        return _Checklist.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).item
    except (OSError, ValueError, ValidationError) as error:
        raise ConfigurationError(
            str(path),
            expected="entries with text, owner and due_days",
            seen=" ".join(str(error).split())[:300],
            remedy="Give each entry its owner and the days that it has.",
        ) from error


def track(items: Sequence[Item], run: Run) -> tuple[Tracked, ...]:
    """Hold the checklists against a run.

    Raises:
        ConfigurationError: An entry names a promise that there is none of.
    """
    standings = {each.criterion.id: each for each in assess(run).criteria}
    deployed = run.started.date()
    tracked = []
    for item in items:
        unknown = [each for each in item.criteria if each not in standings]
        if unknown:
            raise ConfigurationError(
                f"checklist entry {item.text!r}",
                expected="promises that the run knows",
                seen=", ".join(unknown),
                remedy="Name them as criteria.toml does.",
            )
        evidence = None
        if item.done is not None:
            evidence = f"{item.done.by}, {item.done.on:%d %B %Y}: {item.done.where}"
        elif item.criteria and all(standings[each].standing is Standing.PROVEN for each in item.criteria):
            count = sum(len(standings[each].scenarios) for each in item.criteria)
            evidence = f"{', '.join(item.criteria)} proven by {count} scenarios"
        tracked.append(Tracked(item, evidence, deployed + timedelta(days=item.due_days)))
    return tuple(tracked)


def measure(connections: Connections, desired: Desired) -> Facts:
    """Count what is there; no value is asked for."""
    cluster, manager = Cluster(connections.kubernetes), connections.aws("secretsmanager")
    names = [
        each["Name"]
        for page in manager.get_paginator("list_secrets").paginate()
        for each in page["SecretList"]
        if each["Name"].startswith(desired.secret_store.prefix)
    ]
    functions = {each.name for each in desired.rotation.functions}
    there = [
        each["FunctionName"]
        for page in connections.aws("lambda").get_paginator("list_functions").paginate()
        for each in page["Functions"]
    ]
    (operator,) = (each for each in desired.releases if each.chart == "operator")
    external = cluster.list(_API, "ExternalSecret", desired.namespace)
    return Facts(
        key=connections.aws("kms").describe_key(KeyId=desired.key.alias)["KeyMetadata"]["KeyId"],
        secrets=len(names),
        functions=len(functions & set(there)),
        operator_pods=_ready(cluster.list("v1", "Pod", operator.namespace)),
        external_secrets=(_ready(external), len(external)),
        replicas=_ready(
            cluster.list("v1", "Pod", desired.namespace, labelSelector=f"app={desired.namespace}")
        ),
    )


def _ready(objects: Sequence[Mapping[str, Any]]) -> int:
    return sum((condition(each, "Ready") or {}).get("status") == "True" for each in objects)


def markdown(run: Run, facts: Facts, tracked: Sequence[Tracked]) -> str:
    """Write the deployment report: what was measured, what was shown, what is open."""
    assessed = assess(run)
    passed, proven = assessed.counts[Status.PASSED], assessed.standings[Standing.PROVEN]
    ready, all_of_them = facts.external_secrets
    outcome = run.deployment.outcome if run.deployment else "It was deployed before the run."
    lines = [
        "# MITA Finance secret management, deployment report",
        "",
        f"- Environment: {run.environment}",
        f"- Run of: {run.started:%d %B %Y, %H:%M} UTC",
        f"- Verdict: **{assessed.verdict}**",
        *(f"  - {reason}" for reason in assessed.reasons),
        "",
        "## What is there",
        "",
        f"- KMS key: {facts.key}",
        f"- Secrets: {facts.secrets}",
        f"- Rotation functions: {facts.functions}",
        f"- Operator: {facts.operator_pods} pods ready",
        f"- External secrets: {ready} of {all_of_them} ready",
        f"- Application: {facts.replicas} pods ready",
        f"- Deployment: {outcome}",
        "",
        "## What was shown",
        "",
        f"- Scenarios: {passed} of {len(assessed.scenarios)} passed",
        f"- Promises: {proven} of {len(assessed.criteria)} proven",
        *(
            f"  - {each.criterion.id}: {each.standing}"
            for each in assessed.criteria
            if each.standing is not Standing.PROVEN
        ),
        "",
        "## Checklists",
        "",
        *(
            f"- [x] {each.item.text} ({each.evidence})"
            if each.evidence
            else f"- [ ] {each.item.text} (open: {each.item.owner}, due {each.due:%d %B %Y})"
            for each in tracked
        ),
        "",
    ]
    return "\n".join(lines)


def message(run: Run, facts: Facts, tracked: Sequence[Tracked]) -> Json:
    """Return the guide's Slack message, with the status as it is."""
    assessed = assess(run)
    status, colour, title = {
        Verdict.PASSED: ("All systems operational", "good", "deployed successfully"),
        Verdict.INCOMPLETE: ("Not everything was shown", "warning", "deployed, not proven in full"),
        Verdict.FAILED: ("Something does not hold", "danger", "deployment has failures"),
    }[assessed.verdict]
    open_items = [each for each in tracked if each.evidence is None]
    ready, all_of_them = facts.external_secrets
    fields = [
        ("Environment", run.environment, True),
        ("Status", "\n".join([status, *assessed.reasons[:5]]), True),
        (
            "Security features",
            "\n".join(
                [
                    f"{facts.secrets} secrets in AWS Secrets Manager with KMS encryption",
                    f"External Secrets Operator, {ready} of {all_of_them} external secrets ready",
                    f"Automated rotation by {facts.functions} functions",
                ]
            ),
            False,
        ),
        (
            "Next actions",
            "\n".join(f"{each.item.text} ({each.item.owner}, {each.due})" for each in open_items) or "None",
            False,
        ),
    ]
    return {
        "channel": CHANNEL,
        "text": f"MITA Finance secret management {title}",
        "attachments": [
            {
                "color": colour,
                "fields": [{"title": name, "value": value, "short": short} for name, value, short in fields],
            }
        ],
    }
