"""Monitoring of the local environments: its configuration, who is told of alerts, and the rule bridge."""
