"""Tests of what gets deployed: the manifests and the chart."""
