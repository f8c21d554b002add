"""The steady state of the system: what holds whenever nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable

from deployer.eventually import eventually
from deployer.rendering import condition
from evidence.events import SteadyStateProbe
from evidence.timeline import Timeline
from steps.application import ask, is_ready, pods_of
from steps.operator import API
from steps.system import System

READY = "the application is ready"
"""The statement that people notice."""
_SYNCED, _PODS = "every secret is synchronised", "three pods are ready"
_REPLICAS = 3
_STEADY_SECONDS = 180.0
_OK = 200


def probe_steady_state(system: System, timeline: Timeline) -> list[str]:
    """Ask for the steady state once, write down the answers, and return what does not hold."""
    statements: dict[str, Callable[[System], str | None]] = {
        READY: _unready,
        _SYNCED: _unsynchronised,
        _PODS: _pods_missing,
    }
    lacking = []
    for what, ask_for in statements.items():
        try:
            why = ask_for(system)
        except Exception as error:  # noqa: BLE001  whatever keeps it from being shown, it does not hold
            why = type(error).__name__
        timeline.append(SteadyStateProbe(what=what, holds=why is None, detail=why or ""))
        if why is not None:
            lacking.append(f"{what}: {why}")
    return lacking


def _unready(system: System) -> str | None:
    status = ask(system, "GET", "/health/ready").status
    return None if status == _OK else f"it answers {status}"


def _unsynchronised(system: System) -> str | None:
    late = []
    for each in system.cluster.list(API, "ExternalSecret", system.desired.namespace):
        ready = condition(each, "Ready")
        if ready is None or ready["status"] != "True":
            late.append(each["metadata"]["name"])
    return f"not so: {', '.join(late)}" if late else None


def _pods_missing(system: System) -> str | None:
    ready = sum(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods_of(system))
    return None if ready == _REPLICAS else f"{ready} are"


def await_steady_state(system: System, timeline: Timeline) -> None:
    """Wait until the steady state holds, nudging what waits for its turn after a failure."""
    eventually(
        lambda: "; ".join(probe_steady_state(system, timeline)) or None,
        subject="the steady state",
        deadline=_STEADY_SECONDS,
        remedy="Look at what is named.",
    )


# ---- disturbed
