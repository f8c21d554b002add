"""Stand-ins for Slack and PagerDuty: they refuse what these would refuse, and keep the rest."""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import Any

from aiohttp import web
from pydantic import SecretStr, ValidationError

from environments.embedded.monitoring.payloads import PagerDutyEvent, SlackMessage, complaints
from environments.embedded.network import Network

PORT = 8080
_KEPT = 10_000
_SHUTDOWN_SECONDS = 1.0


class Receivers:
    """One server for both.

    ``GET /notifications`` answers with what was delivered, in its order: ``receiver``, the time
    ``received`` in seconds since the epoch, and the ``message``, without PagerDuty's routing key.

    Args:
        network: Where it listens.

    Attributes:
        routing_key: The one that PagerDuty's stand-in takes.
        slack: URL of the Slack webhook.
        pagerduty: Base URL of PagerDuty's Events API.
    """

    def __init__(self, network: Network) -> None:
        self._host = network.loopback(Network.RECEIVERS)
        base = f"http://{self._host}:{PORT}"
        self.routing_key = SecretStr(secrets.token_hex(16))
        # As Slack's own, the URL is the only credential.
        self._slack_path = f"/services/T00000000/B00000000/{secrets.token_hex(12)}"
        self.slack = base + self._slack_path
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


def _invalid(errors: list[str]) -> web.Response:
    answer = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return web.json_response(answer, status=400)
