"""Prometheus and Alertmanager: on their own loopback addresses, with the rules that the cluster declares."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import aiohttp
import psutil
import pytest

from environments.embedded.monitoring import start_alertmanager, start_prometheus
from environments.embedded.monitoring.prometheus import RULES
from environments.embedded.network import Network
from environments.embedded.node.api import Api, WatchEvent
from environments.embedded.site import Site
from environments.monitoring.receivers import Receivers
from environments.monitoring.rule_bridge import RuleBridge
from tests.environments.ground import listeners

pytestmark = pytest.mark.embedded

Json = dict[str, Any]


class Declared:
    """Stands for the API server: rules that a test declares, and events about them."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[WatchEvent] = asyncio.Queue()
        self.events: list[Json] = []

    async def watch(self, _path: str) -> AsyncIterator[WatchEvent]:
        while True:
            yield await self.changes.get()

    async def create(self, _path: str, body: Json) -> Json:
        self.events.append(body)
        return body

    def declare(self, name: str, expr: str, **rule: Any) -> None:  # noqa: ANN401  any JSON
        metadata = {"namespace": "default", "name": name, "uid": "1", "resourceVersion": "1"}
        groups = [{"name": name, "rules": [{"alert": name, "expr": expr, **rule}]}]
        self.changes.put_nowait(WatchEvent("MODIFIED", {"metadata": metadata, "spec": {"groups": groups}}))

    def withdraw(self, name: str) -> None:
        self.changes.put_nowait(
            WatchEvent("DELETED", {"metadata": {"namespace": "default", "name": name}, "spec": {}})
        )


async def ask(url: str) -> Any:  # noqa: ANN401  any JSON
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.json()


async def until(satisfied: Callable[[Any], bool], url: str) -> Any:  # noqa: ANN401  any JSON
    end = time.monotonic() + 20
    while not satisfied(answer := await ask(url)):
        assert time.monotonic() < end, answer
        await asyncio.sleep(0.05)
    return answer


def alerts(answer: Json) -> list[str]:
    return [rule["name"] for group in answer["data"]["groups"] for rule in group["rules"]]


@pytest.fixture
async def receivers(site: Site) -> AsyncIterator[Receivers]:
    started = Receivers(site.network.loopback(Network.RECEIVERS))
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def prometheus(site: Site, receivers: Receivers, tmp_path: Path) -> str:
    await start_alertmanager(site, receivers)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}],"
        " contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {}}],"
        " current-context: c}"
    )
    return await start_prometheus(site, kubeconfig)


@pytest.fixture
async def declared(site: Site, prometheus: str) -> AsyncIterator[Declared]:
    api = Declared()
    bridge = RuleBridge(
        cast("Api", api),
        promtool=site.tools["promtool"],
        rules=site.run.directory(*RULES.split("/")),
        prometheus=prometheus,
    )
    bridge.start()
    yield api
    await bridge.stop()


async def test_each_listens_on_its_own_address_only(site: Site, prometheus: str) -> None:
    host = prometheus.removeprefix("http://").partition(":")[0]
    heard = {name: listeners(process.pid) for name, process in site.supervisor.processes.items()}
    assert heard["prometheus"] == {f"{host}:9090"}
    assert heard["alertmanager"] == {f"{site.network.loopback('0.7')}:9093"}


async def test_a_declared_rule_fires_and_reaches_both_receivers_until_it_is_withdrawn(
    prometheus: str, declared: Declared, receivers: Receivers
) -> None:
    # Two of them, because what two alerts have in common may be too little for PagerDuty.
    two = " or ".join(f'label_replace(vector(1), "pod", "{pod}", "", "")' for pod in "ab")
    labels, annotations = {"severity": "critical"}, {"summary": "Pod {{ $labels.pod }}."}
    declared.declare("Always", two, labels=labels, annotations=annotations)
    url = f"{receivers.pagerduty}/notifications"
    told = await until(lambda found: {each["receiver"] for each in found} == {"slack", "pagerduty"}, url)
    page = next(each["message"] for each in told if each["receiver"] == "pagerduty")
    assert (page["event_action"], page["payload"]["class"]) == ("trigger", "Always")
    assert page["payload"]["summary"] == "Pod a. (2 alerts)"

    declared.withdraw("Always")
    await until(lambda found: alerts(found) == [], f"{prometheus}/api/v1/rules")


async def test_rules_that_promtool_refuses_leave_the_others_and_an_event(
    prometheus: str, declared: Declared
) -> None:
    declared.declare("Good", "vector(0) > 1")
    declared.declare("Bad", "rate(")
    declared.declare("Later", "vector(0) > 2")
    await until(lambda found: sorted(alerts(found)) == ["Good", "Later"], f"{prometheus}/api/v1/rules")
    (event,) = declared.events
    assert (event["involvedObject"]["name"], event["reason"]) == ("Bad", "InvalidRules")
    assert "rate(" in event["message"] or "parse error" in event["message"]


async def test_a_bridge_that_is_stopped_while_rules_are_checked_leaves_no_checker(
    site: Site, prometheus: str, tmp_path: Path
) -> None:
    began = tmp_path / "began"
    slow = tmp_path / "promtool"
    slow.write_text(f"#!/bin/sh\necho $$ >{began}\nexec sleep 60\n")
    slow.chmod(0o755)
    api = Declared()
    rules = site.run.directory(*RULES.split("/"))
    bridge = RuleBridge(cast("Api", api), promtool=slow, rules=rules, prometheus=prometheus)
    bridge.start()
    api.declare("Never", "vector(1)")
    end = time.monotonic() + 20
    while not (began.exists() and began.read_text().strip()):
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
    await bridge.stop()
    assert not psutil.pid_exists(int(began.read_text()))
