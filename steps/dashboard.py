"""Phase 6: what the dashboard shows."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping

import urllib3
from pytest_bdd import then, when

from deployer.dashboard import FILE, UID, VIEWS, View, expressions
from deployer.eventually import eventually
from evidence.surroundings import Panel, Series
from steps import prometheus
from steps.system import System

_DEADLINE = 60.0  # a rate needs a few samples
_TIMEOUT = 10.0
_OK = 200
_LABEL = re.compile(r"\{\{(\w+)\}\}")  # as Grafana names a line by its labels


@when("the query of every panel of the dashboard is asked", target_fixture="panels")
def _panels_asked(system: System) -> Mapping[str, str | None]:
    wanted = expressions()
    assert wanted, "the dashboard has no panel"

    def silent() -> str | None:
        return "; ".join(title for title, reason in _asked(system, wanted).items() if reason) or None

    eventually(
        silent, subject="panels without data", deadline=_DEADLINE, remedy="Ask Prometheus their queries."
    )
    return _asked(system, wanted)


def _asked(system: System, wanted: Mapping[str, list[str]]) -> dict[str, str | None]:
    """Say for each panel what is wrong with its data; None when it has some."""
    found: dict[str, str | None] = {}
    for title, queries in wanted.items():
        values = [value for each in queries for _, value in prometheus.query(system, each)]
        found[title] = None if any(map(math.isfinite, values)) else f"{len(values)} values, none a number"
    return found


def panels(system: System, since: float) -> tuple[Panel, ...]:
    """Return the dashboard's panels as Prometheus answers them now, with their lines since a moment.

    Args:
        system: Where.
        since: Seconds since the epoch.
    """
    return tuple(_panel(system, view, since) for view in VIEWS)


def _panel(system: System, view: View, since: float) -> Panel:
    if not view.legend:
        values = [value for _, value in prometheus.query(system, view.expression) if math.isfinite(value)]
        # Grafana shows "No data" where this has no number.
        return Panel(title=view.title, unit=view.unit, value=values[0] if values else None)
    series = [
        Series(name=_named(view, labels), points=tuple(point for point in points if math.isfinite(point[1])))
        for labels, points in prometheus.course(system, view.expression, since)
    ]
    return Panel(title=view.title, unit=view.unit, series=tuple(each for each in series if each.points))


def _named(view: View, labels: Mapping[str, str]) -> str:
    return _LABEL.sub(lambda label: labels.get(label[1], ""), view.legend)


@then("each has data")
def _each_has_data(panels: Mapping[str, str | None]) -> None:
    assert not {title: reason for title, reason in panels.items() if reason}


@when("the dashboard is looked up in Grafana", target_fixture="imported")
def _looked_up(system: System) -> Mapping[str, object]:
    base = system.connections.endpoints.grafana
    assert base is not None, "the environment has Grafana but does not say where"
    url = f"{base}/api/dashboards/uid/{UID}"
    answer = urllib3.request("GET", url, timeout=_TIMEOUT, retries=False)
    assert answer.status == _OK, f"Grafana answers {answer.status}"
    found: Mapping[str, object] = answer.json()["dashboard"]
    return found


@then("it is the one that is deployed")
def _is_the_deployed_one(imported: Mapping[str, object]) -> None:
    wanted = json.loads(FILE.read_text(encoding="utf-8"))["dashboard"]
    assert imported["title"] == wanted["title"]
    assert imported["panels"] == wanted["panels"]
