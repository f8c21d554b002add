"""What Prometheus and Alertmanager read: the deployed files, made to fit this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deployer.desired import ROOT
from deployer.rendering import filled_in

IDENTITY = "mita:monitoring"
"""The user that Prometheus and the rule bridge are for the API server."""

_ARTIFACTS = ROOT / "artifacts" / "monitoring" / "secret-management"
_CRD = Path(__file__).with_name("prometheus_rule.yaml")
# What the API records as 10.n.a.b is bound as 127.n.a.b.
_BOUND_ADDRESS = {
    "source_labels": ["__address__"],
    "regex": r"10\.(.+)",
    "target_label": "__address__",
    "replacement": "127.$1",
}


def prometheus(*, alertmanager: str, rules: Path, scrapes: Path, evaluation: str) -> str:
    """Return Prometheus' own configuration.

    Args:
        alertmanager: Its host and port.
        rules: Directory of the rule files.
        scrapes: File of the scrape jobs.
        evaluation: How often rules are evaluated.
    """
    return _yaml(
        {
            "global": {"evaluation_interval": evaluation},
            "rule_files": [str(rules / "*.yaml")],
            "scrape_config_files": [str(scrapes)],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [alertmanager]}]},
                ]
            },
        }
    )


def scrape_jobs(*, interval: str, kubeconfig: Path) -> str:
    """Return the deployed scrape jobs, with the cluster's address and the addresses that are really bound."""
    document = yaml.safe_load(filled_in(_ARTIFACTS / "scrape-configs.yaml", {"SCRAPE_INTERVAL": interval}))
    for job in document["scrape_configs"]:
        for discovery in job["kubernetes_sd_configs"]:
            discovery["kubeconfig_file"] = str(kubeconfig)
        job["relabel_configs"].append(_BOUND_ADDRESS)
    return _yaml(document)


def alertmanager(values: Mapping[str, str]) -> str:
    """Return the deployed configuration of Alertmanager with its placeholders filled in."""
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
