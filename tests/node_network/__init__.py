"""Tests of the node's network: egress proxy, service proxy, kubelet server."""
