"""Stand-ins for Slack and PagerDuty: they refuse what these would refuse, and keep the rest."""

from __future__ import annotations

import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import SecretStr, ValidationError

from environments.monitoring.payloads import PagerDutyEvent, SlackMessage, complaints

PORT = 8080
_KEPT = 10_000
_SHUTDOWN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the stand-ins take.

    Attributes:
        routing_key: PagerDuty's.
        slack_path: Path of the Slack webhook; as with Slack's own, the URL is the only credential.
    """

    routing_key: SecretStr
    slack_path: str = field(repr=False)


class Receivers:
    """One server for both.

    ``GET /notifications`` answers with what was delivered, in its order: ``receiver``, the time
    ``received`` in seconds since the epoch, and the ``message``, without PagerDuty's routing key.

    Args:
        host: Where it listens.
        credentials: What each takes; drawn at random unless given.

    Attributes:
        routing_key: The one that PagerDuty's stand-in takes.
        slack: URL of the Slack webhook.
        pagerduty: Base URL of PagerDuty's Events API.
    """

    def __init__(self, host: str, credentials: Credentials | None = None) -> None:
        self._host = host
        base = f"http://{host}:{PORT}"
        taken = credentials or Credentials(SecretStr(secrets.token_hex(16)), _random_path())
        self.routing_key = taken.routing_key
        self._slack_path = taken.slack_path
        self.slack = base + taken.slack_path
        self.pagerduty = base
        self._delivered: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: The address is taken.
        """
        application = web.Application()
        application.router.add_post(self._slack_path, self._on_slack)
        application.router.add_post("/v2/enqueue", self._on_pagerduty)
        application.router.add_get("/notifications", self._on_notifications)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, PORT).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _keep(self, receiver: str, message: dict[str, Any]) -> None:
        self._delivered.append({"receiver": receiver, "received": time.time(), "message": message})

    async def _on_slack(self, request: web.Request) -> web.Response:
        try:
            message = SlackMessage.model_validate_json(await request.read())
        except ValidationError as error:
            return web.Response(status=400, text=f"invalid_payload: {'; '.join(complaints(error))}")
        self._keep("slack", message.model_dump(exclude_none=True))
        return web.Response(text="ok")

    async def _on_pagerduty(self, request: web.Request) -> web.Response:
        try:
            event = PagerDutyEvent.model_validate_json(await request.read())
        except ValidationError as error:
            return _invalid(complaints(error))
        if not secrets.compare_digest(event.routing_key, self.routing_key.get_secret_value()):
            return _invalid(["routing_key: no service has it"])
        event.dedup_key = event.dedup_key or secrets.token_hex(16)
        self._keep("pagerduty", event.model_dump(by_alias=True, exclude_none=True, exclude={"routing_key"}))
        answer = {"status": "success", "message": "Event processed", "dedup_key": event.dedup_key}
        return web.json_response(answer, status=202)

    async def _on_notifications(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self._delivered))


def _random_path() -> str:
    return f"/services/T00000000/B00000000/{secrets.token_hex(12)}"


def _invalid(errors: list[str]) -> web.Response:
    answer = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return web.json_response(answer, status=400)
