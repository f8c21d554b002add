"""Telling people: PagerDuty's Events API v2 and Slack's incoming webhooks.

Both are asked again after what passes by itself (no connection, too many requests, a server's
own fault), and a refusal is an error at once.  Neither the routing key nor the webhook's URL,
which is a credential, gets into an error.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import urllib3
from pydantic import SecretStr

from deployer.failures import ServiceError

EVENTS_PATH = "/v2/enqueue"
Severity = Literal["critical", "error", "warning", "info"]

_TIMEOUT = urllib3.Timeout(connect=5.0, read=10.0)
_PAUSES = (0.5, 1.0, 2.0)  # seconds before each further attempt
_LONGEST_PAUSE = 30.0
_TOO_MANY = 429
_SERVERS_FAULT = range(500, 600)
_SUCCESS = range(200, 300)
_SHOWN = 200  # characters of an answer


@dataclass(frozen=True, slots=True)
class Sender:
    """Posts JSON until it is taken, refused, or enough has been tried.

    Attributes:
        subject: Whom it tells, for errors.
        url: Where.
        pauses: Seconds before each further attempt.
        sleep: Waits; tests hand in their own.
    """

    subject: str
    url: SecretStr
    pauses: tuple[float, ...] = _PAUSES
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def post(self, message: Mapping[str, Any]) -> bytes:
        """Deliver one message and return the answer.

        Raises:
            ServiceError: It was refused, or nobody took it.
        """
        body = json.dumps(message).encode()
        seen = "no attempt"
        for pause in (*self.pauses, None):
            seen, answer, wait = self._attempt(body)
            if answer is not None:
                return answer
            if wait is None:
                break
            if pause is not None:
                self.sleep(min(max(pause, wait), _LONGEST_PAUSE))
        raise ServiceError(
            self.subject,
            expected="the message to be taken",
            seen=seen,
            remedy="Check the address and the key that it was given, and the service's own status page.",
        )

    def _attempt(self, body: bytes) -> tuple[str, bytes | None, float | None]:
        """Return what was seen, the answer of a success, and how long to wait at least if it may pass."""
        try:
            answer = urllib3.request(
                "POST",
                self.url.get_secret_value(),
                body=body,
                headers={"Content-Type": "application/json"},
                timeout=_TIMEOUT,
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            return f"no answer ({type(error).__name__})", None, 0.0
        if answer.status in _SUCCESS:
            return "", answer.data, None
        told = " ".join(answer.data.decode(errors="replace").split())[:_SHOWN]
        seen = f"status {answer.status}: {told}"
        if answer.status == _TOO_MANY or answer.status in _SERVERS_FAULT:
            after = answer.headers.get("Retry-After", "")
            return seen, None, float(after) if after.isdigit() else 0.0
        return seen, None, None


class PagerDuty:
    """The Events API, version 2.

    Args:
        url: Its base URL, ``https://events.pagerduty.com``.
        routing_key: Of the service that is told.
        sender: Posts; tests hand in their own.
    """

    def __init__(self, url: str, routing_key: SecretStr, sender: Sender | None = None) -> None:
        self._key = routing_key
        self._sender = sender or Sender("PagerDuty", SecretStr(url.rstrip("/") + EVENTS_PATH))

    def trigger(
        self,
        summary: str,
        *,
        source: str,
        severity: Severity,
        dedup_key: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> str:
        """Open an incident, or add to the one of the same key.

        Args:
            summary: What happened, for whoever is woken.
            source: Where it happened.
            severity: How grave it is.
            dedup_key: By which it is known; PagerDuty makes one if none is given.
            details: Anything else; never a secret value.

        Returns:
            The key by which it is acknowledged and resolved.

        Raises:
            ServiceError: It was not delivered.
        """
        payload: dict[str, Any] = {"summary": summary, "source": source, "severity": severity}
        if details:
            payload["custom_details"] = dict(details)
        return self._send("trigger", dedup_key, payload=payload)

    def acknowledge(self, dedup_key: str) -> None:
        """Say that somebody works on it.

        Raises:
            ServiceError: It was not delivered.
        """
        self._send("acknowledge", dedup_key)

    def resolve(self, dedup_key: str) -> None:
        """Say that it is over.

        Raises:
            ServiceError: It was not delivered.
        """
        self._send("resolve", dedup_key)

    def _send(self, action: str, dedup_key: str | None, **more: Any) -> str:  # noqa: ANN401  JSON
        event = {"routing_key": self._key.get_secret_value(), "event_action": action, **more}
        if dedup_key is not None:
            event["dedup_key"] = dedup_key
        answer = self._sender.post(event)
        try:
            return str(json.loads(answer)["dedup_key"])
        except (ValueError, KeyError, TypeError):
            raise ServiceError(
                "PagerDuty",
                expected="an answer with the event's dedup_key",
                seen="another one",
                remedy="See whether the address is that of the Events API v2.",
            ) from None


def send_test_event(pagerduty: PagerDuty, *, source: str) -> str:
    """Trigger, acknowledge and resolve an event that says that nothing is wrong.

    Args:
        pagerduty: The service that is told.
        source: What tells it.

    Returns:
        The key by which the service knows all three.

    Raises:
        ServiceError: One was not delivered.
    """
    key = pagerduty.trigger(
        "Test of MITA's alerting; nothing is wrong",
        source=source,
        severity="info",
        dedup_key=f"mita-test-{secrets.token_hex(8)}",
    )
    pagerduty.acknowledge(key)
    pagerduty.resolve(key)
    return key


class Slack:
    """An incoming webhook.

    Args:
        url: Its URL, a credential.
        sender: Posts; tests hand in their own.
    """

    def __init__(self, url: SecretStr, sender: Sender | None = None) -> None:
        self._sender = sender or Sender("Slack", url)

    def send(self, text: str) -> None:
        """Say something in the webhook's channel.

        Raises:
            ServiceError: It was not delivered.
        """
        self.post({"text": text})

    def post(self, message: Mapping[str, Any]) -> None:
        """Send a whole message.

        Raises:
            ServiceError: It was not delivered.
        """
        self._sender.post(message)
