"""What is sent to PagerDuty and Slack, and what happens when they do not take it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from deployer.failures import ServiceError
from deployer.notifications import PagerDuty, Sender, Slack

KEY = SecretStr("k" * 32)
Answer = tuple[int, dict[str, str], str]
TAKEN: Answer = (202, {}, '{"status": "success", "dedup_key": "made"}')


class Service:
    """Answers in turn, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.sent: list[dict[str, Any]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                service.sent.append(json.loads(self.rfile.read(length)))
                status, headers, body = service.answers.pop(0)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    started = Service()
    thread = threading.Thread(target=started.server.serve_forever)
    thread.start()
    yield started
    started.server.shutdown()
    thread.join()
    started.server.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def pagerduty(service: Service, waits: list[float]) -> PagerDuty:
    sender = Sender("PagerDuty", SecretStr(f"{service.url}/v2/enqueue"), sleep=waits.append)
    return PagerDuty(service.url, KEY, sender)


def test_an_event_is_triggered_acknowledged_and_resolved_by_one_key(
    service: Service, pagerduty: PagerDuty
) -> None:
    service.answers = [TAKEN] * 3
    key = pagerduty.trigger("It burns", source="cellar", severity="critical", details={"since": "now"})
    pagerduty.acknowledge(key)
    pagerduty.resolve(key)
    secret = {"routing_key": KEY.get_secret_value()}
    payload = {
        "summary": "It burns",
        "source": "cellar",
        "severity": "critical",
        "custom_details": {"since": "now"},
    }
    assert service.sent == [
        {**secret, "event_action": "trigger", "payload": payload},
        {**secret, "event_action": "acknowledge", "dedup_key": "made"},
        {**secret, "event_action": "resolve", "dedup_key": "made"},
    ]


def test_a_key_of_ones_own_is_sent_along(service: Service, pagerduty: PagerDuty) -> None:
    service.answers = [TAKEN]
    pagerduty.trigger("It burns", source="cellar", severity="info", dedup_key="mine")
    assert service.sent[0]["dedup_key"] == "mine"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_by_itself_is_tried_again(
    service: Service, pagerduty: PagerDuty, waits: list[float], status: int
) -> None:
    service.answers = [(status, {}, "busy"), (status, {}, "busy"), TAKEN]
    assert pagerduty.trigger("It burns", source="cellar", severity="info") == "made"
    assert waits == [0.5, 1.0]


def test_a_service_may_say_how_long_to_wait_within_reason(
    service: Service, pagerduty: PagerDuty, waits: list[float]
) -> None:
    service.answers = [(429, {"Retry-After": "7"}, ""), (429, {"Retry-After": "3600"}, ""), TAKEN]
    pagerduty.resolve("made")
    assert waits == [7.0, 30.0]


def test_it_ends_when_enough_has_been_tried(
    service: Service, pagerduty: PagerDuty, waits: list[float]
) -> None:
    service.answers = [(503, {}, "down for maintenance")] * 4
    with pytest.raises(ServiceError, match="status 503: down for maintenance"):
        pagerduty.resolve("made")
    assert (len(service.sent), waits) == (4, [0.5, 1.0, 2.0])


def test_a_refusal_is_not_tried_again(service: Service, pagerduty: PagerDuty, waits: list[float]) -> None:
    service.answers = [(400, {}, '{"status": "invalid event"}')]
    with pytest.raises(ServiceError, match="invalid event") as refused:
        pagerduty.resolve("made")
    assert (len(service.sent), waits) == (1, [])
    assert KEY.get_secret_value() not in str(refused.value)


def test_a_redirection_does_not_carry_the_key_elsewhere(service: Service, pagerduty: PagerDuty) -> None:
    service.answers = [(307, {"Location": f"{service.url}/elsewhere"}, "")]
    with pytest.raises(ServiceError, match="status 307"):
        pagerduty.resolve("made")
    assert len(service.sent) == 1


def test_an_answer_that_is_none_of_pagerdutys_is_an_error(service: Service, pagerduty: PagerDuty) -> None:
    service.answers = [(200, {}, "<html>a proxy's page</html>")]
    with pytest.raises(ServiceError, match="dedup_key"):
        pagerduty.resolve("made")


def test_nobody_there_is_an_error_that_keeps_the_webhook_to_itself(waits: list[float]) -> None:
    url = SecretStr("http://127.0.0.1:1/services/T0/B0/hushhush")
    with pytest.raises(ServiceError, match="no answer") as failed:
        Slack(url, Sender("Slack", url, sleep=waits.append)).send("hello")
    assert len(waits) == 3
    assert "hushhush" not in repr(failed.value)
    assert failed.value.__cause__ is None


def test_slack_is_sent_a_text(service: Service) -> None:
    service.answers = [(200, {}, "ok")]
    Slack(SecretStr(f"{service.url}/services/x")).send("hello")
    assert service.sent == [{"text": "hello"}]
