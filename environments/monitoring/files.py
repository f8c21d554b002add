"""Files of a monitoring that runs in a container: written outside, read inside, at the same path."""

from __future__ import annotations

from enum import StrEnum


class File(StrEnum):
    """Each one's name in their directory."""

    PROMETHEUS = "prometheus.yaml"
    SCRAPES = "scrape-configs.yaml"
    RULES = "rules"  # a directory
    ALERTMANAGER = "alertmanager.yaml"
    SLACK_URL = "slack-url"
    PAGERDUTY_KEY = "pagerduty-key"
    KUBECONFIG = "kubeconfig"
