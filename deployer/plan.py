"""Plans: every change that leads from what is there to what is desired."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deployer.changes import Action, Change, Difference
from deployer.errors import ConfigurationError, RefusedError
from deployer.files import replace_atomically

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` will do, and what it was computed from.

    Attributes:
        through: Number of the last phase that is planned.
        account: AWS account that it was made for.
        cluster: Kubernetes cluster that it was made for.
        desired: Digest of the desired state.
        observed: Digest of each object that was observed, by ``phase/kind/name``.
        changes: One entry an object, in the order of application; `none` for those that are right.
        allowed: The objects, as ``kind/name``, whose loss the user has named.
    """

    through: int
    account: str
    cluster: str
    desired: str
    observed: Mapping[str, str]
    changes: tuple[Change, ...]
    allowed: frozenset[str] = frozenset()

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that do something."""
        return tuple(change for change in self.changes if change.action is not Action.NONE)

    @property
    def refused(self) -> tuple[Change, ...]:
        """The changes that would destroy or replace something that nobody named."""
        return tuple(c for c in self.pending if c.takes_away and c.object not in self.allowed)

    def require_allowed(self) -> None:
        """Refuse a plan that takes something away unnamed.

        Raises:
            RefusedError: It names what would be lost and how to allow it.
        """
        if self.refused:
            named = "; ".join(f"{c.action} {c.object} ({c.reason})" for c in self.refused)
            options = " ".join(_allowing(change) for change in self.refused)
            raise RefusedError(
                "plan",
                expected="nothing that exists is destroyed or replaced unless named",
                seen=named,
                remedy=f"Check each; what may be lost is allowed by {options}.",
            )

    def to_json(self) -> str:
        """Return the plan as JSON text, without secret values."""
        data = asdict(self) | {"format": FORMAT, "allowed": sorted(self.allowed)}
        return json.dumps(data, indent=2) + "\n"

    def save(self, path: Path) -> None:
        """Write the plan to a file that only its owner can read, whole or not at all."""
        replace_atomically(path, self.to_json())


def _allowing(change: Change) -> str:
    if change.kind == "secret-value":
        return f"--replace-secret {change.name}"
    return f"--allow-destroy {change.object}"


def load(path: Path) -> Plan:
    """Read a plan from a file that `Plan.save` wrote.

    Raises:
        ConfigurationError: It cannot be read or is no such plan.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        seen = f"format {data.get('format')!r}"
        if data.pop("format") == FORMAT:
            changes = tuple(_change(each) for each in data.pop("changes"))
            return Plan(**data | {"changes": changes, "allowed": frozenset(data["allowed"])})
    except OSError as error:
        seen = error.strerror or type(error).__name__
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        seen = f"no plan ({type(error).__name__})"
    raise ConfigurationError(
        f"plan {path}", expected="a plan that `mita plan --out` wrote", seen=seen, remedy="Plan again."
    )


def _change(data: dict[str, Any]) -> Change:
    details = tuple(Difference(**each) for each in data.pop("details"))
    return Change(**data | {"action": Action(data["action"]), "details": details})


def require_fresh(plan: Plan, fresh: Plan) -> None:
    """Refuse a plan that what is there, or what is desired, has moved away from.

    Raises:
        RefusedError: It names what is no longer as it was when the plan was made.
    """
    moved = [
        what
        for what, before, now in (
            ("the AWS account", plan.account, fresh.account),
            ("the cluster", plan.cluster, fresh.cluster),
            ("the desired state", plan.desired, fresh.desired),
        )
        if before != now
    ]
    moved += changed_objects(plan.observed, fresh.observed)
    if plan.changes != fresh.changes and not moved:
        moved.append("what has to be done")
    if moved:
        raise RefusedError(
            "plan",
            expected="everything as it was when the plan was made",
            seen=f"changed since: {', '.join(moved)}",
            remedy="Plan again and look at the new plan.",
        )


def changed_objects(before: Mapping[str, str], now: Mapping[str, str]) -> Sequence[str]:
    """Name the objects whose observations differ."""
    return [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
