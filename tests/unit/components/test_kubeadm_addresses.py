from __future__ import annotations

import pytest
from kubefort.errors import InvalidInput
from kubefort.kubeadm.addresses import dns_address, endpoint, host_port, local_api, service_address, split_endpoint
from kubefort.model.cluster import Cluster, VirtualIP
from kubefort.model.spec import Node

from tests.unit.components.specs import CP1, CP2, W1


@pytest.mark.parametrize(
    ("subnet", "first", "tenth"),
    [
        ("10.96.0.0/12", "10.96.0.1", "10.96.0.10"),
        ("192.168.7.16/28", "192.168.7.17", "192.168.7.26"),
        ("fd00:1::/108", "fd00:1::1", "fd00:1::a"),
    ],
)
def test_service_addresses(subnet: str, first: str, tenth: str) -> None:
    cluster = Cluster("v1.36.2", service_subnets=(subnet, "10.1.0.0/16"))
    assert (service_address(cluster, 1), dns_address(cluster)) == (first, tenth)


def test_a_service_subnet_that_is_too_small_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too small"):
        dns_address(Cluster("v1.36.2", service_subnets=("10.96.0.0/29",)))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("api.example.org:8443", "api.example.org", 8443),
        ("api.example.org", "api.example.org", 6443),
        ("10.0.0.1:6443", "10.0.0.1", 6443),
        ("[fd00::1]:7443", "fd00::1", 7443),
        ("[fd00::1]", "fd00::1", 6443),
        ("fd00::1", "fd00::1", 6443),
    ],
)
def test_endpoints_are_split(text: str, host: str, port: int) -> None:
    assert split_endpoint(text) == (host, port)
    assert split_endpoint(host_port(host, port)) == (host, port)


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (Cluster("v1.36.2", endpoint="api.example.org", vip=VirtualIP("10.30.0.100")), "api.example.org:6443"),
        (Cluster("v1.36.2", vip=VirtualIP("10.30.0.100/24")), "10.30.0.100:6443"),
        (Cluster("v1.36.2", vip=VirtualIP("fd00::100")), "[fd00::100]:6443"),
        (Cluster("v1.36.2"), "10.30.0.11:6443"),
    ],
)
def test_the_endpoint_is_the_one_set_or_the_vip_or_the_first_control_plane(cluster: Cluster, expected: str) -> None:
    assert endpoint(cluster, W1, (CP2, CP1)) == expected


def test_without_any_control_plane_there_is_no_endpoint() -> None:
    with pytest.raises(InvalidInput, match="no endpoint"):
        endpoint(Cluster("v1.36.2"), W1)


def test_the_local_api_server() -> None:
    assert local_api(CP1) == "https://10.30.0.11:6443"
    assert local_api(Node("six", "fd00::11", "control-plane")) == "https://[fd00::11]:6443"
