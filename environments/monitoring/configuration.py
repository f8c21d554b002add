"""What Prometheus and Alertmanager read: the deployed files, made to fit a local environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from deployer.desired import ROOT
from deployer.rendering import filled_in

IDENTITY = "mita:monitoring"
"""The user that Prometheus and the rule bridge are for the API server."""

_ARTIFACTS = ROOT / "artifacts" / "monitoring" / "secret-management"
_CRD = Path(__file__).with_name("prometheus_rule.yaml")
# Whoever waits for an alert here wants to see it within seconds.
_EVALUATION = "1s"
_GROUP_WAIT = "100ms"
_GROUP_INTERVAL = "1s"

HASTE: Mapping[str, str] = MappingProxyType(
    {
        "ALERT_FOR": "1s",
        "STALE_SECONDS": "30",  # twice what is between two refreshes
        "PENDING_SECONDS": "3",
        "LOGIN_WINDOW": "15s",
        "EXPORTER_SECONDS": "2",
        "READS_SECONDS": "5",
    }
)
"""What manifests of the monitoring say where nobody has minutes to wait."""


def prometheus(*, alertmanager: str, rules: Path, scrapes: Path) -> str:
    """Return Prometheus' own configuration.

    Args:
        alertmanager: Its host and port.
        rules: Directory of the rule files.
        scrapes: File of the scrape jobs.
    """
    return _yaml(
        {
            "global": {"evaluation_interval": _EVALUATION},
            "rule_files": [str(rules / "*.yaml")],
            "scrape_config_files": [str(scrapes)],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [alertmanager]}]},
                ]
            },
        }
    )


def scrape_jobs(kubeconfig: Path, relabelled: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the deployed scrape jobs, with the cluster's address.

    Args:
        kubeconfig: Of the identity with which pods are discovered.
        relabelled: Rules that come after those of each job.
    """
    document = yaml.safe_load(filled_in(_ARTIFACTS / "scrape-configs.yaml", {"SCRAPE_INTERVAL": _EVALUATION}))
    for job in document["scrape_configs"]:
        for discovery in job["kubernetes_sd_configs"]:
            discovery["kubeconfig_file"] = str(kubeconfig)
        job["relabel_configs"] += [dict(each) for each in relabelled]
    return _yaml(document)


def alertmanager(*, slack: Path, pagerduty_key: Path, pagerduty: str) -> str:
    """Return the deployed configuration of Alertmanager with its placeholders filled in.

    Args:
        slack: File with the URL of the Slack webhook.
        pagerduty_key: File with PagerDuty's routing key.
        pagerduty: Base URL of PagerDuty's Events API.
    """
    values = {
        "SLACK_URL_FILE": str(slack),
        "PAGERDUTY_KEY_FILE": str(pagerduty_key),
        "PAGERDUTY_URL": f"{pagerduty}/v2/enqueue",
        "GROUP_WAIT": _GROUP_WAIT,
        "GROUP_INTERVAL": _GROUP_INTERVAL,
    }
    return filled_in(_ARTIFACTS / "alertmanager.yaml", values)


def rule_definition() -> dict[str, Any]:
    """Return the CustomResourceDefinition of PrometheusRules, which Prometheus' operator brings elsewhere."""
    definition: dict[str, Any] = yaml.safe_load(_CRD.read_text(encoding="utf-8"))
    return definition


def rights() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the ClusterRole and its binding with which pods are discovered and rules are followed."""
    api = "rbac.authorization.k8s.io"
    role = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": IDENTITY},
        "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
            {
                "apiGroups": ["monitoring.coreos.com"],
                "resources": ["prometheusrules"],
                "verbs": ["get", "list", "watch"],
            },
        ],
    }
    binding = {
        "apiVersion": f"{api}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": IDENTITY},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": IDENTITY},
        "subjects": [{"apiGroup": api, "kind": "User", "name": IDENTITY}],
    }
    return role, binding


def _yaml(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)
