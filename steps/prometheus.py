"""Prometheus, as steps ask it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import urllib3

from steps.system import System

_TIMEOUT = 10.0
_OK = 200
_POINTS = 120  # of a line

Json = dict[str, Any]


def ask(system: System, path: str, **fields: str) -> Any:  # noqa: ANN401  any JSON
    """Ask Prometheus' API, and return the data of its answer."""
    base = system.connections.endpoints.prometheus
    assert base is not None, "the environment has Prometheus but does not say where"
    answer = urllib3.request("GET", f"{base}/api/v1/{path}", fields=fields, timeout=_TIMEOUT, retries=False)
    assert answer.status == _OK, f"Prometheus answers {answer.status}: {answer.data[:300]!r}"
    return answer.json()["data"]


def query(system: System, expression: str) -> list[tuple[Mapping[str, str], float]]:
    """Evaluate an expression now: labels and value of each element of its vector."""
    found = ask(system, "query", query=expression)["result"]
    return [(each["metric"], float(each["value"][1])) for each in found]


def course(
    system: System, expression: str, since: float
) -> list[tuple[Mapping[str, str], tuple[tuple[float, float], ...]]]:
    """Evaluate an expression from a moment, in seconds since the epoch, until now.

    Returns:
        Labels, and moments with values, of each element.
    """
    now = time.time()
    step = max(1.0, (now - since) / _POINTS)
    asked = {"query": expression, "start": f"{since:.3f}", "end": f"{now:.3f}", "step": f"{step:.3f}"}
    found = ask(system, "query_range", **asked)["result"]
    return [
        (each["metric"], tuple((float(at), float(value)) for at, value in each["values"])) for each in found
    ]


def alert_states(system: System, alert: str) -> set[str]:
    """Return the states, ``pending`` and ``firing``, that an alert is in."""
    found: list[Json] = ask(system, "alerts")["alerts"]
    return {each["state"] for each in found if each["labels"]["alertname"] == alert}


def rules(system: System) -> list[Json]:
    """Return every rule that Prometheus evaluates."""
    return [rule for group in ask(system, "rules")["groups"] for rule in group["rules"]]
