"""Locust users, stage shapes and thresholds."""
