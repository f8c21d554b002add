"""Each alert, judged by Prometheus' own checker: when it fires, when it does not, and what reads about it."""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployer.desired import PRODUCTION, ROOT, read
from deployer.progress import silent
from deployer.rendering import render
from environments.embedded import toolchain

RULES = ROOT / "artifacts" / "monitoring" / "secret-management" / "prometheus-rules.yaml"
RUNBOOK = PRODUCTION.parent.parent / "docs" / "runbooks" / "alerts.md"

Json = dict[str, Any]


def groups() -> list[Json]:
    (rule,) = render(RULES, read().manifest_values)
    found: list[Json] = rule["spec"]["groups"]
    return found


ALERTS = {rule["alert"]: rule for group in groups() for rule in group["rules"] if "alert" in rule}

# How a series goes: a minute a value, 11 minutes well, 20 minutes not, then well again.
ON = "0x10 1x19 0x40"
OFF = "1x10 0x19 1x40"
SOMETIMES = "_x11 3x19 _x40"


@dataclass(frozen=True)
class Case:
    """A fault as Prometheus sees it.

    Attributes:
        series: By selector, the values that differ from those of a healthy system.
        labels: What the alert is about.
        before: Minutes at which the fault is there and nobody has been told yet.
        during: Minutes at which somebody has been told.
        after: Minutes at which the fault is gone, and with it the alert.
    """

    series: Mapping[str, str]
    labels: Mapping[str, str]
    before: int = 12
    during: int = 25
    after: int = 45


HEALTHY = {
    'up{job="external-secrets-controller"}': "1x200",
    'up{job="mita-secret-exporter"}': "1x200",
    'externalsecret_status_condition{condition="Ready",status="False",namespace="n",name="s"}': "0x200",
    'externalsecret_status_condition{condition="Ready",status="True",namespace="n",name="s"}': "1x200",
    'mita_secret_store_ready{kind="SecretStore",namespace="n",name="s"}': "1x200",
    'mita_external_secret_last_sync_timestamp_seconds{namespace="n",name="s"}': "0+60x200",
    'mita_secret_next_rotation_timestamp_seconds{secret="a/b"}': "999999x200",
    'mita_credential_pending{namespace="n",pod="p",kind="database"}': "0x200",
    'mita_login_failures_total{namespace="n",pod="p",kind="database"}': "2x200",
    "mita_secret_webhook_certificate_end_timestamp_seconds": "99999999x200",
    'mita_secret_key_enabled{key="alias/k"}': "1x200",
    'mita_secret_exporter_source_up{source="kms"}': "1x200",
}
SERIES = {re.split(r"[{]", each)[0]: each for each in HEALTHY}

CASES = {
    "SecretSyncFailing": Case(
        {'externalsecret_status_condition{condition="Ready",status="False",namespace="n",name="s"}': ON},
        {"namespace": "n", "name": "s"},
    ),
    "SecretOperatorDown": Case({'up{job="external-secrets-controller"}': OFF}, {}),
    "SecretStoreNotReady": Case(
        {SERIES["mita_secret_store_ready"]: OFF}, {"kind": "SecretStore", "namespace": "n", "name": "s"}
    ),
    "SecretStale": Case(
        {SERIES["mita_external_secret_last_sync_timestamp_seconds"]: "0+60x10 600x19 1860+60x40"},
        {"namespace": "n", "name": "s"},
        before=16,
    ),
    "SecretRotationOverdue": Case(
        {SERIES["mita_secret_next_rotation_timestamp_seconds"]: "9999x10 60x19 9999x40"}, {"secret": "a/b"}
    ),
    "SecretRotationStuck": Case(
        {'mita_secret_rotation_pending_since_timestamp_seconds{secret="a/b"}': "_x11 660x119 _x60"},
        {"secret": "a/b"},
        before=72,
        during=90,
        after=150,
    ),
    "ApplicationOnOldCredential": Case(
        {SERIES["mita_credential_pending"]: ON}, {"namespace": "n", "pod": "p", "kind": "database"}
    ),
    "ApplicationLoginFailures": Case(
        {SERIES["mita_login_failures_total"]: "0x10 1+1x19 20x40"},
        {"namespace": "n", "kind": "database"},
        before=13,
    ),
    "WebhookCertificateExpiring": Case(
        {"mita_secret_webhook_certificate_end_timestamp_seconds": "9999999x10 600000x19 9999999x40"}, {}
    ),
    "SecretKeyDisabled": Case({SERIES["mita_secret_key_enabled"]: OFF}, {"key": "alias/k"}),
    "SecretKeyDeletionScheduled": Case(
        {'mita_secret_key_deletion_timestamp_seconds{key="alias/k"}': "_x11 99999x19 _x40"},
        {"key": "alias/k"},
    ),
    "UnusualSecretAccess": Case(
        {'mita_secret_unexpected_reads{principal="arn:x"}': SOMETIMES}, {"principal": "arn:x"}
    ),
    "SecretExporterBlind": Case({SERIES["mita_secret_exporter_source_up"]: OFF}, {"source": "kms"}),
}
GONE = {
    "SecretOperatorDown": Case(
        {'up{job="external-secrets-controller"}': "1x10 _x20 1x40"},
        {},
        before=16,
    ),
    "SecretExporterBlind": Case({'up{job="mita-secret-exporter"}': OFF}, {}),
}


@pytest.fixture(scope="session")
def promtool() -> Path:
    return toolchain.ensure(silent, ("promtool",))["promtool"]


def judged(promtool: Path, directory: Path, rules: list[Json], name: str, case: Case) -> str | None:
    """Have promtool play a case; None when everything is as it should be, else what it says."""
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": rules}))
    alert = {"alertname": name, "severity": ALERTS[name]["labels"]["severity"], **case.labels}

    def firing(minute: int, *expected: Mapping[str, str], state: str = "firing") -> Json:
        return {
            "expr": f'ALERTS{{alertstate="{state}"}}',
            "eval_time": f"{minute}m",
            "exp_samples": [
                {"labels": _selector("ALERTS", {**each, "alertstate": state}), "value": 1}
                for each in expected
            ],
        }

    test = {
        "interval": "1m",
        "input_series": [
            {"series": series, "values": values} for series, values in {**HEALTHY, **case.series}.items()
        ],
        "promql_expr_test": [
            firing(10),
            firing(10, state="pending"),
            firing(case.before),
            firing(case.before, alert, state="pending"),
            firing(case.during, alert),
            firing(case.after),
        ],
    }
    suite = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": [test]}
    (directory / "suite.yaml").write_text(yaml.safe_dump(suite))
    done = subprocess.run(
        (promtool, "test", "rules", "suite.yaml"), cwd=directory, capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else done.stdout + done.stderr


def _selector(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def test_promtool_finds_nothing_wrong(promtool: Path, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": groups()}))
    done = subprocess.run(
        (promtool, "check", "rules", "--lint=all", "--lint-fatal", file),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() == ALERTS.keys()


@pytest.mark.parametrize(
    ("name", "case"), [*CASES.items(), *GONE.items()], ids=[*CASES, *(f"{each} (gone)" for each in GONE)]
)
def test_it_fires_for_its_fault_and_alone(promtool: Path, tmp_path: Path, name: str, case: Case) -> None:
    complaint = judged(promtool, tmp_path, groups(), name, case)
    assert complaint is None, complaint


INVERTED = {"==": "!=", "!=": "==", ">": "<=", "<": ">="}


@pytest.mark.parametrize("name", CASES)
def test_an_inverted_rule_is_found(promtool: Path, tmp_path: Path, name: str) -> None:
    def inverted(expression: str) -> str:
        return re.sub(r" (==|!=|>|<) ", lambda found: f" {INVERTED[found[1]]} ", expression)

    assert judged(promtool, tmp_path, mutated(name, "expr", inverted), name, CASES[name]) is not None


@pytest.mark.parametrize("name", CASES)
def test_a_rule_that_does_not_wait_is_found(promtool: Path, tmp_path: Path, name: str) -> None:
    hasty = mutated(name, "for", lambda _: "0s")
    assert judged(promtool, tmp_path, hasty, name, CASES[name]) is not None


def mutated(name: str, key: str, change: Any) -> list[Json]:  # noqa: ANN401  a function from text to text
    changed = copy.deepcopy(groups())
    (rule,) = (each for group in changed for each in group["rules"] if each.get("alert") == name)
    before = rule[key]
    rule[key] = change(before)
    assert rule[key] != before, "the planted defect must change something"
    return changed


# ---- what reads about it


def lacks(rule: Json) -> list[str]:
    """Name what an alert lacks for whoever is woken by it."""
    anchors = {heading.lower() for heading in re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)}
    page, _, anchor = rule["annotations"].get("runbook_url", "").partition("#")
    found = {
        "severity": rule["labels"].get("severity") in ("critical", "warning"),
        "for": "for" in rule,
        "summary": bool(rule["annotations"].get("summary")),
        "description": bool(rule["annotations"].get("description")),
        "runbook": page == read().manifest_values["RUNBOOK"] and anchor == rule["alert"].lower(),
        "place in the runbook": anchor in anchors,
    }
    return [name for name, there in found.items() if not there]


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_it_tells_how_grave_it_is_and_what_to_do(rule: Json) -> None:
    assert lacks(rule) == []


@pytest.mark.parametrize(
    ("defect", "lack"),
    [
        ({"annotations": {"summary": "x", "description": "x"}}, ["runbook", "place in the runbook"]),
        ({"labels": {}}, ["severity"]),
        ({"alert": "Other"}, ["runbook"]),
    ],
)
def test_an_alert_that_does_not_is_found(defect: Json, lack: list[str]) -> None:
    assert lacks({**ALERTS["SecretStale"], **defect}) == lack


def test_the_runbook_speaks_of_no_other_alerts() -> None:
    assert set(re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)) == ALERTS.keys()
