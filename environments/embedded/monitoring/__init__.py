"""Prometheus and Alertmanager as processes of the environment."""

from __future__ import annotations

from environments.embedded.monitoring.alertmanager import start_alertmanager
from environments.embedded.monitoring.prometheus import start_prometheus

__all__ = ["start_alertmanager", "start_prometheus"]
