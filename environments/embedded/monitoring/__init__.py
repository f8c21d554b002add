"""Prometheus, Alertmanager, the rules that the cluster declares, and who is told of alerts."""

from __future__ import annotations

from environments.embedded.monitoring.alertmanager import start_alertmanager
from environments.embedded.monitoring.prometheus import start_prometheus
from environments.embedded.monitoring.receivers import Receivers
from environments.embedded.monitoring.rule_bridge import RuleBridge

__all__ = ["Receivers", "RuleBridge", "start_alertmanager", "start_prometheus"]
