"""Faults of servers: felt by those who are connected, or not at all."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from deployer.cluster import Cluster
from deployer.errors import NotReadyError
from environments.disruption import Disruptable, Server
from faults.cluster import ScaledAway
from faults.contract import Fault
from faults.servers import Frozen, Restarted


class Place:
    """Has one server, which restarts and thaws when it is let."""

    def __init__(self, connected: int = 3, error: Exception | None = None) -> None:
        self.let = threading.Event()
        self._connected = connected
        self._error = error

    def connected(self, _server: Server) -> int:
        return self._connected

    def restart(self, _server: Server) -> None:
        assert self.let.wait(10)
        if self._error is not None:
            raise self._error

    def freeze(self, _server: Server, _seconds: float) -> None:
        assert self.let.wait(10)


def _faults(place: Place) -> list[Fault]:
    there = cast(Disruptable, place)
    return [Restarted(there, Server.DATABASE), Frozen(there, Server.DATABASE, 2.0)]


@pytest.mark.parametrize("which", [0, 1], ids=["restarted", "frozen"])
def test_it_is_felt_by_those_who_were_connected_once_it_is_over(which: int) -> None:
    place = Place()
    fault = _faults(place)[which]
    fault.inject()
    assert fault.unfelt() is not None

    place.let.set()
    fault.heal()

    assert fault.unfelt() is None


@pytest.mark.parametrize("which", [0, 1], ids=["restarted", "frozen"])
def test_where_nobody_was_connected_it_hits_nothing(which: int) -> None:
    place = Place(connected=0)
    fault = _faults(place)[which]
    place.let.set()

    fault.inject()
    fault.heal()

    assert fault.unfelt() == "nobody was connected to it"


def test_a_server_that_does_not_come_back_is_told_by_whoever_heals() -> None:
    error = NotReadyError("PostgreSQL", expected="ready", seen="it ended", remedy="Read its log.")
    place = Place(error=error)
    fault = Restarted(cast(Disruptable, place), Server.DATABASE)
    place.let.set()
    fault.inject()

    with pytest.raises(NotReadyError):
        fault.heal()


class Scaled:
    """A cluster with one Deployment, which has at once what is asked for."""

    def __init__(self) -> None:
        self.replicas = 1

    def call(self, method: str, _path: str, **more: Any) -> Any:  # noqa: ANN401  as Cluster's
        if method == "PATCH":
            self.replicas = more["body"]["spec"]["replicas"]
        number = self.replicas
        counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas", "readyReplicas"), number)
        return {
            "metadata": {"generation": 1},
            "spec": {"replicas": number},
            "status": {"observedGeneration": 1, **counts},
        }


def test_what_nobody_misses_is_not_felt() -> None:
    cluster, missed = Scaled(), ["nobody misses it"]
    fault = ScaledAway(
        cast(Cluster, cluster), "it is away", "there", "it", lambda: missed[0] if missed else None
    )
    fault.inject()
    assert cluster.replicas == 0
    assert fault.unfelt() == "nobody misses it"

    missed.clear()
    assert fault.unfelt() is None
    fault.heal()

    assert cluster.replicas == 1
