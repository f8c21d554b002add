"""Which ports the service proxy serves, and which endpoints get the connections."""

from __future__ import annotations

from typing import Any

import pytest

from environments.embedded.network import Network
from environments.embedded.node.api import Object
from environments.embedded.node.service_ports import (
    ServicePort,
    chosen_endpoints,
    outside,
    served_ports,
    unsupported,
)
from tests.node_network.objects import endpoint, endpoint_slice, port, service


def test_every_tcp_port_of_the_cluster_ip_is_served_where_it_is_bound(network: Network) -> None:
    web = service("web", "10.80.128.5", port(80, "http"), port(443, "https"), port(53, "dns", "UDP"))
    assert served_ports(web, network) == [
        ServicePort("http", ("127.80.128.5", 80)),
        ServicePort("https", ("127.80.128.5", 443)),
    ]


@pytest.mark.parametrize(
    "spec",
    [{"clusterIP": "None"}, {"clusterIP": ""}, {"type": "ExternalName", "externalName": "example.org"}],
)
def test_a_service_without_a_cluster_ip_has_nothing_to_serve(network: Network, spec: dict[str, Any]) -> None:
    web = service("web", "10.80.128.5", port(80))
    web["spec"].update(spec)
    assert served_ports(web, network) == []


@pytest.mark.parametrize(
    ("conditions", "chosen"),
    [
        ([{}], [0]),
        ([{"ready": True}, {"ready": False}], [0]),
        ([{"ready": False, "serving": False, "terminating": False}], []),
        ([{"ready": False, "serving": True, "terminating": True}], [0]),
        ([{"ready": False, "serving": True, "terminating": True}, {"ready": True}], [1]),
        ([{"ready": False, "serving": False, "terminating": True}], []),
        ([{"ready": False, "serving": True, "terminating": False}], []),
        # Only publishNotReadyAddresses makes an endpoint ready that terminates.
        ([{"ready": True, "serving": True, "terminating": True}], [0]),
    ],
)
def test_ready_endpoints_are_chosen_or_else_those_that_still_serve(
    network: Network, conditions: list[dict[str, bool]], chosen: list[int]
) -> None:
    endpoints = [endpoint(f"10.80.64.{number}", **each) for number, each in enumerate(conditions)]
    found = chosen_endpoints("", [endpoint_slice(*endpoints, ports=[port(8000)])], network)
    assert found == [(f"127.80.64.{number}", 8000) for number in chosen]


def test_ports_meet_by_name_over_all_slices_and_each_endpoint_counts_once(network: Network) -> None:
    slices = [
        endpoint_slice(endpoint("10.80.64.1"), ports=[port(8000, "http"), port(9000, "metrics")]),
        endpoint_slice(endpoint("10.80.64.1"), endpoint("10.80.64.2"), ports=[port(8000, "http")]),
        endpoint_slice(endpoint("10.80.64.3"), ports=[port(8001, "http", "UDP")]),
        endpoint_slice(endpoint("2001:db8::1"), ports=[port(8000, "http")], addressType="IPv6"),
    ]
    assert chosen_endpoints("http", slices, network) == [("127.80.64.1", 8000), ("127.80.64.2", 8000)]
    assert chosen_endpoints("metrics", slices, network) == [("127.80.64.1", 9000)]
    assert chosen_endpoints("", slices, network) == []


def test_an_endpoint_outside_the_network_is_told_and_not_chosen(network: Network) -> None:
    slices = [endpoint_slice(endpoint("10.81.64.1"), endpoint("10.80.64.1"), ports=[port(8000)])]
    assert chosen_endpoints("", slices, network) == [("127.80.64.1", 8000)]
    [remark] = outside([ServicePort("", ("127.80.128.5", 80))], slices, network)
    assert "10.81.64.1:8000" in remark


@pytest.mark.parametrize(
    ("web", "words"),
    [
        (service("web", "10.80.128.5", port(80), type="NodePort"), ["type NodePort"]),
        (service("web", "10.80.128.5", port(80), type="LoadBalancer"), ["type LoadBalancer"]),
        (service("web", "10.80.128.5", port(80), sessionAffinity="ClientIP"), ["sessionAffinity ClientIP"]),
        (service("web", "10.80.128.5", port(80), externalIPs=["10.80.1.1"]), ["externalIPs"]),
        (
            service("web", "10.80.128.5", port(53, "a", "UDP"), port(7, "b", "SCTP")),
            ["protocol UDP: port 53", "protocol SCTP: port 7"],
        ),
        (service("web", "10.80.128.5", port(80), type="ClusterIP", sessionAffinity="None"), []),
    ],
)
def test_what_is_not_supported_is_said(web: Object, words: list[str]) -> None:
    remarks = unsupported(web)
    assert len(remarks) == len(words)
    assert all(word in remark for word, remark in zip(words, remarks, strict=True))
