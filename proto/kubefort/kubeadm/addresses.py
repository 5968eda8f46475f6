"""Addresses that follow from a cluster's settings: Services', the API's endpoint."""

from __future__ import annotations

import ipaddress

from kubefort.errors import InvalidInput
from kubefort.model.cluster import CONTROL_PLANE, Cluster
from kubefort.model.spec import Node

API_PORT = 6443


def service_address(cluster: Cluster, index: int) -> str:
    """The address at `index` of the first service subnet: 1 is the API server's, 10 is DNS'. Raises InvalidInput."""
    subnet = ipaddress.ip_network(cluster.service_subnets[0])
    if index >= subnet.num_addresses - 1:
        raise InvalidInput(f"service subnet {subnet} is too small", "give at least a /28 (IPv4) or /108 (IPv6)")
    return str(subnet[index])


def dns_address(cluster: Cluster) -> str:
    """The cluster DNS Service's address."""
    return service_address(cluster, 10)


def host_port(address: str, port: int = API_PORT) -> str:
    """address:port, brackets around IPv6."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Host and port of an endpoint; port 6443 where none is given."""
    if endpoint.startswith("["):
        host, _, rest = endpoint[1:].partition("]")
        return host, int(rest[1:] or API_PORT)
    if endpoint.count(":") > 1:
        return endpoint, API_PORT
    host, _, port = endpoint.partition(":")
    return host, int(port or API_PORT)


def endpoint(cluster: Cluster, node: Node, peers: tuple[Node, ...] = ()) -> str:
    """host:port of the API for everybody outside the control plane.

    The one that is set, or the virtual IP's, or the first control plane's by name.
    """
    if cluster.endpoint:
        return host_port(*split_endpoint(cluster.endpoint))
    if cluster.vip is not None:
        return host_port(cluster.vip.address.partition("/")[0])
    control_planes = sorted((n for n in (node, *peers) if n.role == CONTROL_PLANE), key=lambda n: n.name)
    if not control_planes:
        raise InvalidInput("the cluster has no endpoint and no control-plane host", "set endpoint in cluster.yaml")
    return host_port(control_planes[0].address)


def local_api(node: Node) -> str:
    """URL of the API server on a control-plane host itself."""
    return f"https://{host_port(node.address)}"
