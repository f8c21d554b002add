"""Disruptions of the embedded environment's servers and functions."""

from __future__ import annotations

import contextlib

import psutil

from environments.disruption import Server
from environments.embedded.control_plane.servers import API_SERVER
from environments.embedded.databases import postgresql, valkey
from environments.embedded.processes.sweep import stragglers

_FUNCTION = "AWS_LAMBDA_FUNCTION_NAME"

PROCESSES = {Server.DATABASE: postgresql.NAME, Server.CACHE: valkey.NAME, Server.CLUSTER: API_SERVER}
"""Names that the host has for the servers."""


def connections_to(host: str, port: int) -> int:
    """Return how many TCP connections there are to an address."""
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr == (host, port)
        for each in psutil.net_connections("tcp")
    )


def end_function(run_id: str, name: str) -> int:
    """End the processes of a run that a function runs in, and return how many there were."""
    ended = 0
    for process in stragglers(run_id):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get(_FUNCTION) == name:
                process.kill()
                ended += 1
    return ended
