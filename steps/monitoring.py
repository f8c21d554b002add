"""Phase 6: rules, targets and metrics."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pytest_bdd import given, then, when

from deployer.cluster import Object
from deployer.eventually import eventually
from steps import prometheus
from steps.focus import Focus
from steps.parameters import phrase
from steps.system import System

_RULES = "mita-secret-management"
_API = "monitoring.coreos.com/v1"
_OPERATOR = ("apps/v1", "Deployment", "external-secrets", "external-secrets-system")
_DAY = 86400.0

Json = dict[str, Any]
Values = Mapping[str, float]


# ---- rules


@when("the alert rules of secret management are examined", target_fixture="declared")
def _rules_examined(system: System, focus: Focus) -> list[Json]:
    live = system.cluster.get(focus.on(_API, "PrometheusRule", _RULES, system.desired.namespace))
    assert live is not None, f"there is no PrometheusRule {_RULES} in {system.desired.namespace}"
    return [rule for group in live["spec"]["groups"] for rule in group["rules"]]


@then("Prometheus evaluates every one of them without an error")
def _every_rule_is_evaluated(system: System, declared: list[Json]) -> None:
    wanted = {rule.get("alert") or rule["record"] for rule in declared}
    assert wanted, "there is no rule among them"

    def missing() -> str | None:
        evaluated = {rule["name"]: rule for rule in prometheus.rules(system)}
        absent = wanted - evaluated.keys()
        wrong = {name for name in wanted - absent if evaluated[name]["health"] != "ok"}
        return f"not there: {sorted(absent)}; not well: {sorted(wrong)}" if absent or wrong else None

    eventually(missing, subject="Prometheus' rules", deadline=30.0, remedy="Look at events of the rules.")


@then("each alert says how grave it is and where to read what to do")
def _alerts_are_explained(declared: list[Json]) -> None:
    alerts = [rule for rule in declared if "alert" in rule]
    silent = [
        rule["alert"]
        for rule in alerts
        if rule["labels"].get("severity") not in ("critical", "warning")
        or not rule["annotations"].get("runbook_url", "").endswith(f"#{rule['alert'].lower()}")
    ]
    assert alerts, "there is no alert among the rules"
    assert not silent, f"these do not: {', '.join(silent)}"


@then("Prometheus' own checker finds nothing wrong with them")
def _checker_is_content(system: System, declared: list[Json], tmp_path: Path) -> None:
    checker = system.connections.promtool
    assert checker is not None, "the environment has Prometheus but not its checker"
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "declared", "rules": declared}]}))
    done = subprocess.run(
        (checker, "check", "rules", "--lint=all", "--lint-fatal", file),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@given("somebody declares a rule that is no expression", target_fixture="broken")
def _broken_rule(system: System, focus: Focus) -> Iterator[Object]:
    manifest = focus.on(_API, "PrometheusRule", "scenario-broken", system.desired.namespace)
    groups = [{"name": "broken", "rules": [{"alert": "ScenarioBroken", "expr": "rate("}]}]
    system.cluster.apply({**manifest, "spec": {"groups": groups}})
    try:
        yield manifest
    finally:
        system.cluster.delete(manifest)


@when("Prometheus has been told of it", target_fixture="declared")
def _broken_rule_noticed(system: System, broken: Object) -> list[Json]:
    namespace = broken["metadata"]["namespace"]
    selector = f"involvedObject.name={broken['metadata']['name']}"

    def missing() -> str | None:
        events = system.cluster.list("v1", "Event", namespace, fieldSelector=selector)
        return None if [each for each in events if each["reason"] == "InvalidRules"] else "no event about it"

    eventually(missing, subject="the broken rule", deadline=30.0, remedy="Look at the environment's log.")
    live = system.cluster.get(
        {"apiVersion": _API, "kind": "PrometheusRule", "metadata": {**broken["metadata"], "name": _RULES}}
    )
    assert live is not None
    return [rule for group in live["spec"]["groups"] for rule in group["rules"]]


@then("an event says what is wrong with it, and it is not evaluated")
def _broken_rule_is_left_out(system: System) -> None:
    assert "ScenarioBroken" not in {rule["name"] for rule in prometheus.rules(system)}


# ---- targets


@when(phrase("Prometheus is asked whether {job:Quoted} is up"), target_fixture="targets")
def _targets_asked(system: System, focus: Focus, job: str) -> list[float]:
    focus.on(*_OPERATOR)
    expression = f'up{{job="{job}"}}'
    eventually(
        lambda: None if prometheus.query(system, expression) else "Prometheus knows no such target",
        subject=f"job {job}",
        deadline=30.0,
        remedy="Look at the labels and ports of its pods.",
    )
    return [value for _, value in prometheus.query(system, expression)]


@then(phrase("there is {count:d} target of it, and it is up"))
@then(phrase("there are {count:d} targets of it, and they are up"))
def _targets_are_up(targets: list[float], count: int) -> None:
    assert targets == [1.0] * count


# ---- what is known of secrets


@when("Prometheus is asked for the ages of secrets", target_fixture="values")
def _ages_asked(system: System) -> Values:
    return _by_secret(system, "mita:secret_age:seconds")


def _by_secret(system: System, expression: str) -> Values:
    return {labels["secret"]: value for labels, value in prometheus.query(system, expression)}


@then("each is the time since its current version was made in AWS")
def _ages_are_true(system: System, values: Values) -> None:
    manager, now = system.aws("secretsmanager"), time.time()
    assert values.keys() == {secret.name for secret in system.desired.secrets}
    for name, age in values.items():
        versions = manager.list_secret_version_ids(SecretId=system.full_name(name))["Versions"]
        (made,) = (v["CreatedDate"] for v in versions if "AWSCURRENT" in v.get("VersionStages", ()))
        # Prometheus looks every so often, and the exporter at AWS as well.
        assert abs(now - made.timestamp() - age) < 10, f"{name}: {age:g} s, made at {made}"  # noqa: PLR2004


@when("Prometheus is asked when secrets are to be rotated", target_fixture="values")
def _rotations_asked(system: System) -> Values:
    return _by_secret(system, "mita:next_rotation:seconds")


@then("each has a time, by its schedule or by the age that it may reach")
def _rotations_are_true(system: System, values: Values) -> None:
    assert values.keys() == {secret.name for secret in system.desired.secrets}
    most = float(system.desired.manifest_values["MOST_DAYS"]) * _DAY
    ages = _by_secret(system, "mita:secret_age:seconds")
    for name, left in values.items():
        described = system.aws("secretsmanager").describe_secret(SecretId=system.full_name(name))
        scheduled = described.get("NextRotationDate")
        wanted = most - ages[name] if scheduled is None else scheduled.timestamp() - time.time()
        assert abs(left - wanted) < 10, f"{name}: in {left:g} s, and not in {wanted:g} s"  # noqa: PLR2004


@when("Prometheus is asked how old the last sync of each external secret is", target_fixture="values")
def _syncs_asked(system: System) -> Values:
    found = prometheus.query(system, "mita:external_secret_sync_age:seconds")
    return {labels["name"]: value for labels, value in found}


@then(phrase("each is at most {seconds:d} seconds old"))
def _syncs_are_recent(system: System, values: Values, seconds: int) -> None:
    external = system.cluster.list("external-secrets.io/v1beta1", "ExternalSecret", system.desired.namespace)
    ours = {each["metadata"]["name"] for each in external if "labels" in each["metadata"]}
    assert ours <= values.keys()
    late = {name: age for name, age in values.items() if name in ours and age > seconds}
    assert not late
