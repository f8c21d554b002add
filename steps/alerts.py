"""Phase 6: alerts, from the fault to the receiver and back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_bdd import then, when

from deployer.eventually import eventually
from environments.protocol import NotificationReader
from steps import prometheus
from steps.alert_faults import FAULTS
from steps.focus import Focus
from steps.parameters import names, phrase
from steps.system import System

_QUIET_SECONDS = 60.0  # until what an earlier scenario left has resolved
_NOTICED_SECONDS = 60.0
_PAUSE = 0.2

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification about an alert.

    Attributes:
        receiver: Whom it reached.
        alert: What it is about.
        firing: Whether it says that the alert fires, or that it is over.
        key: By which the receiver knows that two are about the same; Slack has none.
        at: When it was received, in seconds since the epoch.
    """

    receiver: str
    alert: str
    firing: bool
    key: str
    at: float


@dataclass(frozen=True, slots=True)
class Course:
    """What became of one alert.

    Attributes:
        severity: How grave it says to be.
        was_pending: Whether Prometheus waited before it told anybody.
        seconds: From the fault until each receiver knew.
        told: What receivers were told, in its order.
    """

    severity: str
    was_pending: bool
    seconds: Mapping[str, float]
    told: tuple[Notice, ...]


def notices(system: System) -> Iterator[Notice]:
    """Yield every notification about an alert that has been received."""
    environment = system.environment
    assert isinstance(environment, NotificationReader), "the environment cannot tell what was received"
    for each in environment.notifications():
        message = each["message"]
        if each["receiver"] == "pagerduty":
            firing, key = message["event_action"] == "trigger", message["dedup_key"]
            # A resolving event need not repeat what it is about.
            yield Notice(
                "pagerduty", message.get("payload", {}).get("class", ""), firing, key, each["received"]
            )
        else:
            for attachment in message.get("attachments", ()):
                state, _, alert = attachment["title"].partition("] ")
                yield Notice("slack", alert, state == "[FIRING", "", each["received"])


def about(system: System, alert: str, since: float) -> tuple[Notice, ...]:
    """Return what receivers were told of an alert since a moment; PagerDuty's go by their key."""
    recent = [each for each in notices(system) if each.at >= since]
    keys = {each.key for each in recent if each.alert == alert and each.key}
    return tuple(each for each in recent if each.alert == alert or each.key in keys)


def _receivers(severity: str) -> set[str]:
    return {"slack", "pagerduty"} if severity == "critical" else {"slack"}


def _until(missing: Callable[[], str | None], *, subject: str, deadline: float, remedy: str) -> None:
    eventually(missing, subject=subject, deadline=deadline, remedy=remedy, longest_pause=_PAUSE)


@when(
    phrase("{fault:Fault} until {alerts:Quoted} has been delivered, and is mended", Fault=FAULTS),
    target_fixture="courses",
)
def _fault_until_delivered(system: System, focus: Focus, fault: str, alerts: str) -> dict[str, Course]:
    wanted = names(alerts)
    rules = {rule["name"]: rule for rule in prometheus.rules(system)}
    severities = {alert: rules[alert]["labels"]["severity"] for alert in wanted}
    _until(
        lambda: ", ".join(a for a in wanted if prometheus.alert_states(system, a)) or None,
        subject="alerts before the fault",
        deadline=_QUIET_SECONDS,
        remedy="Look at what else is wrong.",
    )
    since = time.time()
    with FAULTS[fault](system, focus) as begun:
        _until(
            lambda: _undelivered(system, severities, since),
            subject=f"alerts because {fault}",
            deadline=_NOTICED_SECONDS,
            remedy="Look at Prometheus' /alerts and at Alertmanager's log.",
        )
        waited = {alert: _was_pending(system, alert, since) for alert in wanted}
    _until(
        lambda: _unresolved(system, severities, since),
        subject="alerts after the fault",
        deadline=_NOTICED_SECONDS,
        remedy="Look at Prometheus' /alerts and at Alertmanager's log.",
    )
    began = since if begun is None else begun
    return {a: _course(system, a, severities[a], waited[a], began) for a in wanted}


def _undelivered(system: System, severities: Mapping[str, str], since: float) -> str | None:
    lacking = []
    for alert, severity in severities.items():
        reached = {each.receiver for each in about(system, alert, since) if each.firing}
        if missing := _receivers(severity) - reached:
            states = prometheus.alert_states(system, alert) or {"inactive"}
            lacking.append(f"{alert} ({', '.join(states)}) has not reached {', '.join(sorted(missing))}")
    return "; ".join(lacking) or None


def _unresolved(system: System, severities: Mapping[str, str], since: float) -> str | None:
    lacking = []
    for alert, severity in severities.items():
        last = {each.receiver: each.firing for each in about(system, alert, since)}
        still = {receiver for receiver in _receivers(severity) if last.get(receiver, True)}
        if still or prometheus.alert_states(system, alert):
            lacking.append(f"{alert} is not over for {', '.join(sorted(still)) or 'Prometheus'}")
    return "; ".join(lacking) or None


def _was_pending(system: System, alert: str, since: float) -> bool:
    seconds = max(1, round(time.time() - since) + 1)
    seen = f'count_over_time(ALERTS{{alertname="{alert}",alertstate="pending"}}[{seconds}s])'
    return bool(prometheus.query(system, seen))


def _course(system: System, alert: str, severity: str, was_pending: bool, since: float) -> Course:
    told = about(system, alert, since)
    first: dict[str, float] = {}
    for each in told:
        if each.firing:
            first.setdefault(each.receiver, each.at - since)
    return Course(severity, was_pending, first, told)


@then("each alert was pending before it fired")
def _was_pending_before(courses: Mapping[str, Course]) -> None:
    hasty = [alert for alert, course in courses.items() if not course.was_pending]
    assert not hasty, f"these told somebody at once: {', '.join(hasty)}"


@then(phrase("each reached Slack within {seconds:d} seconds, and PagerDuty too if it is critical"))
def _reached_the_right_ones(courses: Mapping[str, Course], seconds: int, report_directory: Path) -> None:
    _keep_times(courses, report_directory / "alerts.json")
    for alert, course in courses.items():
        assert course.seconds.keys() == _receivers(course.severity), f"{alert} reached {set(course.seconds)}"
        late = {receiver: took for receiver, took in course.seconds.items() if took > seconds}
        assert not late, f"{alert} took {late}"


def _keep_times(courses: Mapping[str, Course], file: Path) -> None:
    """Note beside the report how many seconds it took until each receiver knew."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    known |= {
        alert: {receiver: round(took, 1) for receiver, took in course.seconds.items()}
        for alert, course in courses.items()
    }
    file.write_text(json.dumps(known, indent=1), encoding="utf-8")


@then("each was over for whom it had reached once the fault was gone")
def _resolved_everywhere(courses: Mapping[str, Course]) -> None:
    for alert, course in courses.items():
        for receiver in _receivers(course.severity):
            mine = [each for each in course.told if each.receiver == receiver]
            assert not mine[-1].firing, f"{receiver} was not told that {alert} is over"
            opened = {each.key for each in mine if each.firing}
            closed = {each.key for each in mine if not each.firing}
            assert opened == closed, f"{receiver} still has {alert} open under another key"
