"""A deployment: observe, plan, apply, verify.

deployment = Deployment(connections, read(), supplied=..., receipts=directory)
plan = deployment.plan("application")
deployment.apply(plan)
deployment.verify("application")
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from deployer.changes import Change, digest
from deployer.connections import Connections
from deployer.desired import Desired
from deployer.errors import NotReadyError
from deployer.eventually import eventually
from deployer.exclusive import alone
from deployer.failures import explained
from deployer.kinds.catalogue import Catalogue
from deployer.kinds.kind import Kind, Observed
from deployer.kinds.values import OnSecret, forget
from deployer.plan import Plan, require_fresh
from deployer.preflight import Place, Result, require
from deployer.preflight import run as run_checks
from deployer.progress import Progress, Step, silent
from deployer.receipts import Receipts
from deployer.supplied import Supplied, require_form

AnyKind = Kind[Any]
PhaseName = str | int | None


class Deployment:
    """Brings a place to the desired state, and tells what that takes.

    Args:
        connections: The place.
        desired: The desired state.
        supplied: Values that only the operator can give (see `deployer.supplied`).
        progress: Told of every step.
        receipts: Directory of the receipts; nothing is changed without one.
        on_secret: Told of every secret value when it is born, supplied or read, for searching
            whatever a run writes.

    Raises:
        ConfigurationError: A supplied value is a placeholder or malformed, or a manifest cannot be used.
    """

    def __init__(
        self,
        connections: Connections,
        desired: Desired,
        *,
        receipts: Path,
        supplied: Supplied | None = None,
        progress: Progress = silent,
        on_secret: OnSecret = forget,
    ) -> None:
        self._connections = connections
        self._desired = desired
        self._supplied = supplied or {}
        self._progress = progress
        self._receipts = Receipts(receipts)
        for (secret, field), value in self._supplied.items():
            on_secret(f"{secret}.{field}", value)
        require_form(desired, self._supplied)
        self._catalogue = Catalogue(connections, desired, supplied=self._supplied, on_secret=on_secret)

    @property
    def receipts(self) -> Receipts:
        """The receipts of this run."""
        return self._receipts

    def preflight(self, through: PhaseName = None) -> tuple[Result, ...]:
        """Ask everything that has to hold before a change; changes nothing.

        Raises:
            ConfigurationError: There is no such phase.
        """
        return run_checks(self._place(self._desired.phase(through).number))

    def _place(self, through: int) -> Place:
        return Place(self._connections, self._desired, through)

    def plan(
        self, through: PhaseName = None, *, replace: Collection[str] = (), allow_destroy: Collection[str] = ()
    ) -> Plan:
        """Observe, and name every change through a phase; changes nothing.

        Args:
            through: Number or name of the last phase; the last of all unless given.
            replace: Secrets whose values are to be replaced although they may be in use.
            allow_destroy: Objects, as ``kind/name``, that may be destroyed or replaced.

        Raises:
            ConfigurationError: There is no such phase or secret.
            ServiceError: A service could not be asked.
        """
        number = self._desired.phase(through).number
        allowed = frozenset(
            {*allow_destroy, *(f"secret-value/{self._desired.secret(name).name}" for name in replace)}
        )
        return self._survey(number, replace, allowed)[0]

    def _survey(
        self, through: int, replace: Collection[str], allowed: frozenset[str]
    ) -> tuple[Plan, list[AnyKind], dict[str, dict[str, Any]]]:
        kinds = self._catalogue.kinds(through, replace)
        with ThreadPoolExecutor(max_workers=max(len(kinds), 1)) as pool:
            states = list(pool.map(_observe, kinds))
        observed = {kind.key: state for kind, state in zip(kinds, states, strict=True)}
        digests = {
            f"{key}/{name}": digest(state) for key, seen in observed.items() for name, state in seen.items()
        }
        plan = Plan(
            through=through,
            account=self._connections.account,
            cluster=self._connections.cluster.name,
            desired=self._desired.digest,
            observed=digests,
            changes=tuple(change for kind in kinds for change in kind.diff(observed)),
            allowed=allowed,
        )
        return plan, kinds, observed

    def apply(self, plan: Plan) -> None:
        """Do exactly what a plan says, phase by phase, and wait until each kind of object works.

        It can be interrupted at any moment: another plan goes on from what is there.

        Raises:
            RefusedError: The plan would take away something unnamed, is stale, or another
                deployment is under way; nothing has been changed.
            ConfigurationError: A value that only the operator can give is missing; likewise.
            MitaError: A check of phase 0 failed (nothing has been changed), a service refused a
                call, or something did not work within its deadline.
        """
        plan.require_allowed()
        with alone(self._receipts.directory, "deployment", "no other one at the same time"):
            require(run_checks(self._place(plan.through)))
            prefix = "secret-value/"
            replace = [each.removeprefix(prefix) for each in plan.allowed if each.startswith(prefix)]
            fresh, kinds, observed = self._survey(plan.through, replace, plan.allowed)
            require_fresh(plan, fresh)
            self._catalogue.require_supplied(kinds, fresh.pending, observed)
            for kind in kinds:
                mine = [
                    change
                    for change in fresh.pending
                    if (change.phase, change.kind) == (kind.phase, kind.kind)
                ]
                if mine:
                    self._change(kind, mine, observed)

    def _change(
        self, kind: AnyKind, changes: Collection[Change], observed: dict[str, dict[str, Any]]
    ) -> None:
        for change in changes:
            with self._recorded(kind, change, observed):
                kind.apply(change, observed)
        if any(change.kind == "secret-value" for change in changes):
            self._catalogue.announce_values()
        self._settle(kind, observed)

    @contextmanager
    def _recorded(self, kind: AnyKind, change: Change, observed: dict[str, dict[str, Any]]) -> Iterator[None]:
        subject = f"phase {change.phase}: {change.object}"
        self._progress(Step(subject, "started", f"{change.action}: {change.reason}"))
        before = _digest_of(observed, kind, change.name)
        begun = self._receipts.begun(change, before=before)
        try:
            with explained(change.object, hide_message=kind.carries_secrets):
                yield
                state = kind.observe({change.name})
        except BaseException as error:
            name = type(error).__name__
            self._receipts.ended(change, "failed", begun=begun, before=before, after=None, error=name)
            self._progress(Step(subject, "failed", name))
            raise
        observed[kind.key] = {k: v for k, v in observed[kind.key].items() if k != change.name} | dict(state)
        after = _digest_of(observed, kind, change.name)
        self._receipts.ended(change, "done", begun=begun, before=before, after=after)
        self._progress(Step(subject, "done"))

    def _settle(self, kind: AnyKind, observed: dict[str, dict[str, Any]]) -> None:
        """Wait until a kind is observed to be as desired, and works."""

        def missing() -> str | None:
            different = _pending(kind, observed)
            if different is not None:
                observed[kind.key] = _observe(kind)
                different = _pending(kind, observed)
            return different or _waiting(kind)

        self._wait(kind, missing)

    def _wait(self, kind: AnyKind, missing: Callable[[], str | None], *, done: str | None = None) -> None:
        """Wait until nothing is missing, and tell what is whenever that changes."""
        subject = f"phase {kind.phase}: {kind.kind}"
        told: list[str] = []

        def still_missing() -> str | None:
            reason = missing()
            if reason is not None and reason not in told[-1:]:
                told.append(reason)
                self._progress(Step(subject, "progress", f"waiting: {reason}"))
            return reason

        eventually(
            still_missing,
            subject=subject,
            deadline=kind.deadline,
            remedy="Look at what is named, then run the same command again: it goes on from here.",
        )
        if told or done:
            self._progress(Step(subject, "done", done or "works"))

    def verify(self, through: PhaseName = None) -> None:
        """Show by observation that everything through a phase is as desired and works.

        Raises:
            NotReadyError: Something is not as desired, or does not work within its deadline.
        """
        number = self._desired.phase(through).number
        plan, kinds, _ = self._survey(number, (), frozenset())
        if plan.pending:
            raise NotReadyError(
                f"phases through {number}",
                expected="everything as desired",
                seen="; ".join(f"{c.object}: {c.reason}" for c in plan.pending),
                remedy="Deploy, or look at the plan first.",
            )
        for kind in kinds:
            self._wait(kind, partial(_waiting, kind), done="verified")


def _observe(kind: AnyKind) -> dict[str, Any]:
    with explained(f"phase {kind.phase}: {kind.kind}", hide_message=kind.carries_secrets):
        return dict(kind.observe())


def _waiting(kind: AnyKind) -> str | None:
    with explained(f"phase {kind.phase}: {kind.kind}", hide_message=kind.carries_secrets):
        return kind.waiting()


def _pending(kind: AnyKind, observed: Observed) -> str | None:
    left = [change for change in kind.diff(observed) if change.action != "none"]
    return "; ".join(f"{change.object}: {change.reason}" for change in left) or None


def _digest_of(observed: Observed, kind: AnyKind, name: str) -> str | None:
    state = observed.get(kind.key, {}).get(name)
    return None if state is None else digest(state)
