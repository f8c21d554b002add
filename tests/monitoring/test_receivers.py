"""The stand-ins refuse what Slack and PagerDuty would refuse, and keep the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from environments.embedded.network import Network
from environments.embedded.site import Site
from environments.monitoring.receivers import Receivers

Json = dict[str, Any]


@pytest.fixture
async def receivers(site: Site) -> AsyncIterator[Receivers]:
    started = Receivers(site.network.loopback(Network.RECEIVERS))
    await started.start()
    yield started
    await started.stop()


async def post(url: str, body: Json | str) -> tuple[int, str]:
    data = {"data": body} if isinstance(body, str) else {"json": body}
    async with aiohttp.ClientSession() as session, session.post(url, **data) as answer:
        return answer.status, await answer.text()


async def delivered(receivers: Receivers) -> list[Json]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{receivers.pagerduty}/notifications") as answer,
    ):
        found: list[Json] = await answer.json()
        return found


def trigger(receivers: Receivers, **changes: Any) -> Json:  # noqa: ANN401  any JSON
    payload = {"summary": "A test", "source": "tests", "severity": "critical", "class": "Test"}
    event: Json = {
        "routing_key": receivers.routing_key.get_secret_value(),
        "event_action": "trigger",
        "dedup_key": "one",
        "payload": payload,
    }
    return {**event, **changes}


async def test_what_is_delivered_can_be_read_without_the_routing_key(receivers: Receivers) -> None:
    assert await post(receivers.slack, {"text": "hello"}) == (200, "ok")
    status, answer = await post(f"{receivers.pagerduty}/v2/enqueue", trigger(receivers))
    assert (status, '"dedup_key": "one"' in answer) == (202, True)

    slack, pagerduty = await delivered(receivers)
    assert (slack["receiver"], slack["message"]) == ("slack", {"text": "hello"})
    assert (pagerduty["receiver"], pagerduty["message"]["payload"]["class"]) == ("pagerduty", "Test")
    assert receivers.routing_key.get_secret_value() not in str(pagerduty)


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"attachments": []}, "no json", {"text": 5}])
async def test_slack_refuses_what_shows_nothing(receivers: Receivers, body: Json | str) -> None:
    status, answer = await post(receivers.slack, body)
    assert (status, answer.partition(":")[0]) == (400, "invalid_payload")
    assert await delivered(receivers) == []


async def test_slack_has_no_other_address(receivers: Receivers) -> None:
    assert (await post(receivers.slack + "x", {"text": "hello"}))[0] == 404


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"routing_key": "0" * 32}, "no service has it"),
        ({"routing_key": "short"}, "routing_key"),
        ({"event_action": "shout"}, "event_action"),
        ({"payload": None}, "payload is missing"),
        ({"payload": {"summary": "A test", "source": "tests", "severity": "dire"}}, "severity"),
        ({"payload": {"summary": "", "source": "tests", "severity": "info"}}, "summary"),
        ({"event_action": "resolve", "dedup_key": None}, "dedup_key is missing"),
        ({"surplus": 1}, "surplus"),
    ],
)
async def test_pagerduty_refuses_and_says_why(receivers: Receivers, changes: Json, complaint: str) -> None:
    status, answer = await post(f"{receivers.pagerduty}/v2/enqueue", trigger(receivers, **changes))
    assert status == 400
    assert complaint in answer
    assert await delivered(receivers) == []
