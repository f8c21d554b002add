"""PrometheusRule objects as rule files: what Prometheus' operator does in other clusters."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from pathlib import Path

import aiohttp
import yaml

from environments.embedded.node.api import Api, ApiError, Object

logger = logging.getLogger(__name__)

COLLECTION = "/apis/monitoring.coreos.com/v1/prometheusrules"
COMPONENT = "mita-rule-bridge"
_RELOAD_SECONDS = 10
_MESSAGE_CHARACTERS = 1000


class RuleBridge:
    """Writes a file for each PrometheusRule and has Prometheus read it.

    Rules that promtool refuses are not taken; an event on their object says why, and what was
    there of that object before stays.

    Args:
        api: The API server, as an identity that follows rules and creates events.
        promtool: Path of Prometheus' checker.
        rules: Directory of the rule files.
        prometheus: Base URL of Prometheus.
    """

    def __init__(self, api: Api, *, promtool: Path, rules: Path, prometheus: str) -> None:
        self._api = api
        self._promtool = promtool
        self._rules = rules
        self._prometheus = prometheus
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow the rules."""
        self._task = asyncio.create_task(self.follow(), name=COMPONENT)
        self._task.add_done_callback(_complain)

    async def stop(self) -> None:
        """Follow them no longer; the files stay."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def follow(self) -> None:
        """Follow the rules until cancelled."""
        async for event in self._api.watch(COLLECTION):
            if event.type == "SYNCED":
                continue
            try:
                await self._apply(event.object, gone=event.type == "DELETED")
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                name = event.object["metadata"]["name"]
                logger.error("the rules of %s are not in use: %s", name, error)  # noqa: TRY400  no defect of ours

    async def _apply(self, rule: Object, *, gone: bool) -> None:
        file = self._file(rule)
        if gone:
            file.unlink(missing_ok=True)
        else:
            content = yaml.safe_dump({"groups": rule["spec"].get("groups", [])}, sort_keys=False)
            candidate = file.with_suffix(".candidate")  # which Prometheus' pattern passes over
            candidate.write_text(content, encoding="utf-8")
            refusal = await self._refusal(candidate)
            if refusal is not None:
                candidate.unlink()
                await self._warn(rule, refusal)
                return
            candidate.replace(file)
        await self._reload()

    def _file(self, rule: Object) -> Path:
        metadata = rule["metadata"]
        # Namespace and name may hold dots and dashes, so that joined they could be another's.
        digest = hashlib.sha256(f"{metadata['namespace']}/{metadata['name']}".encode()).hexdigest()[:8]
        return self._rules / f"{metadata['namespace']}-{metadata['name']}-{digest}.yaml"

    async def _refusal(self, file: Path) -> str | None:
        checking = await asyncio.create_subprocess_exec(
            self._promtool,
            *("check", "rules", str(file)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, errors = await checking.communicate()
        finally:
            if checking.returncode is None:  # cancelled meanwhile
                checking.kill()
                await checking.wait()
        if checking.returncode == 0:
            return None
        return errors.decode(errors="replace").replace(str(file), "the rules").strip()

    async def _reload(self) -> None:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_RELOAD_SECONDS)) as session,
            session.post(f"{self._prometheus}/-/reload") as answer,
        ):
            if not answer.ok:
                logger.error("Prometheus does not take its rules: %s", (await answer.text()).strip())

    async def _warn(self, rule: Object, message: str) -> None:
        metadata = rule["metadata"]
        logger.warning("the rules of %s/%s: %s", metadata["namespace"], metadata["name"], message)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name']}.{time.time_ns():x}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PrometheusRule",
                **{key: metadata[key] for key in ("namespace", "name", "uid", "resourceVersion")},
            },
            "type": "Warning",
            "reason": "InvalidRules",
            "message": message[:_MESSAGE_CHARACTERS],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._api.create(f"/api/v1/namespaces/{metadata['namespace']}/events", event)
        except ApiError as error:
            logger.warning("no event could be posted: %s", error)


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("the rule bridge ended: rules are not taken any more", exc_info=error)
