"""A plan as text for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from deployer.changes import Action, Change
from deployer.desired import Desired
from deployer.plan import Plan

SIGNS = MappingProxyType(
    {Action.CREATE: "+", Action.UPDATE: "~", Action.REPLACE: "!", Action.DESTROY: "-", Action.NONE: "="}
)
_LONGEST = 100  # characters of a property's value that are shown


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and the action that it is about."""

    text: str
    action: Action | None = None


def describe(plan: Plan, desired: Desired) -> Iterator[Line]:
    """Yield a plan's lines: every object under its phase, what is done to it and why.

    The properties of what is new are left out; `Plan.to_json` has them.
    """
    last = desired.phase(plan.through)
    where = f"account {plan.account}, cluster {plan.cluster}"
    yield Line(f"Plan through phase {last.number} ({last.title}) for {where}")
    for phase in desired.phases:
        mine = [change for change in plan.changes if change.phase == phase.number]
        if mine:
            yield Line("")
            yield Line(f"Phase {phase.number}: {phase.title}")
        for change in mine:
            yield from _change(change)
    yield Line("")
    yield Line(summary(plan))


def _change(change: Change) -> Iterator[Line]:
    action = change.action
    verb = "no change" if action is Action.NONE else str(action)
    yield Line(f"  {SIGNS[action]} {verb:<9} {change.object}: {change.reason}", action)
    if action is Action.CREATE:
        return
    for each in change.details:
        yield Line(f"      {each.path}: {_short(each.before)} -> {_short(each.after)}", action)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def summary(plan: Plan) -> str:
    """Return the plan in one line of counts."""
    counts = Counter(change.action for change in plan.changes)
    if not plan.pending:
        return f"No change: all {len(plan.changes)} objects are as desired."
    parts = [f"{counts[a]} to {a}" for a in SIGNS if a is not Action.NONE and counts[a]]
    return f"{', '.join(parts)}; {counts[Action.NONE]} as desired."
