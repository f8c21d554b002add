"""What the pods of one node share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from environments.embedded.network import Network
from environments.embedded.node.addresses import AddressPool
from environments.embedded.node.api import Api
from environments.embedded.node.events import EventRecorder
from environments.embedded.node.images import ImageTable
from environments.embedded.node.sandbox import ClusterAccess
from environments.embedded.node.timing import Timing
from environments.embedded.node.watched_objects import WatchedObjects
from environments.embedded.run_directory import RunDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeContext:
    """What the pods of one node share.

    Attributes:
        api: The API server as the node.
        run: The run that everything lies in.
        network: Recorded and bound addresses.
        access: How clients in pods reach the API server.
        images: The programs that images stand for.
        objects: Watches ConfigMaps and Secrets.
        events: Writes events.
        addresses: The pods' addresses.
        http: Session for the requests of probes and hooks.
        timing: The node's times.
        allocatable: The node's resources.
        service_variables: Returns the variables that tell pods of a namespace about Services.
    """

    api: Api
    run: RunDirectory
    network: Network
    access: ClusterAccess
    images: ImageTable
    objects: WatchedObjects
    events: EventRecorder
    addresses: AddressPool
    http: aiohttp.ClientSession
    timing: Timing
    allocatable: Mapping[str, str]
    service_variables: Callable[[str, bool], Mapping[str, str]]
