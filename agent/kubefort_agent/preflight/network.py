"""Addresses: the host's own, the cluster's subnets, the virtual IP."""

from __future__ import annotations

import ipaddress
import re

from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check
from kubefort.run import CommandFailed, run

from kubefort_agent.host import Host, facts
from kubefort_agent.host.netlink import host_networks


async def subnets(host: Host, spec: NodeSpec) -> list[Check]:
    """SubnetOverlap: pods and Services do not take addresses that the host already routes elsewhere."""
    found = []
    own = {cidr for node in (spec.node, *spec.peers) for cidr in node.pod_cidrs}
    for kind, wanted in (("pod", spec.cluster.pod_subnets), ("service", spec.cluster.service_subnets)):
        for subnet in map(ipaddress.ip_network, wanted):
            for text in sorted(host_networks(host.root) - own):
                route = ipaddress.ip_network(text)
                if route.version == subnet.version and route.overlaps(subnet):
                    message = f"the {kind} subnet {subnet} overlaps {route}, to which this host has a route"
                    hint = f"Choose another {kind} subnet in cluster.yaml; `ip route` shows the host's."
                    found.append(Check("SubnetOverlap", "error", message, hint))
    return found


async def own_address(host: Host, spec: NodeSpec) -> list[Check]:
    """Address: the address that others shall reach us at is ours."""
    address = spec.node.address
    if ":" in address or address in facts.addresses(host.root):
        return []
    has = ", ".join(facts.addresses(host.root)) or "none"
    message = f"this host shall be reached at {address}, and its addresses are {has}"
    return [Check("Address", "error", message, "Join again with the right --advertise-address.")]


async def virtual_ip(host: Host, spec: NodeSpec) -> list[Check]:
    """VirtualIPFree: nobody answers for the virtual IP yet (ARP, two requests)."""
    vip = spec.cluster.vip
    if vip is None or not spec.is_control_plane:
        return []
    address = vip.address.partition("/")[0]
    if ":" in address:
        return []
    if address in facts.addresses(host.root):
        message = f"the virtual IP {address} is an address of this host already"
        return [Check("VirtualIPFree", "warning", message, f"ip address del {address} dev DEVICE")]
    holder = await _answers(address)
    if not holder:
        return []
    message = f"the virtual IP {address} is answered for by {holder}: right only where this cluster holds it already"
    return [Check("VirtualIPFree", "warning", message, "Choose an address that is free.")]


async def _answers(address: str) -> str:
    """The hardware address that answers for an address on the link, "" for none: the kernel asks, we read its table."""
    try:
        await run("ping", "-c", "1", "-W", "1", address, timeout=5, check=False)
        table = (await run("ip", "neighbour", "show", address, timeout=5)).stdout
    except CommandFailed:
        return ""
    match = re.search(r"lladdr (\S+) (?!FAILED)", table)
    return match[1] if match else ""


async def forwarding(host: Host, spec: NodeSpec) -> list[Check]:
    """ForwardDrop: told only, for pods' traffic is accepted by a chain of ours."""
    try:
        policy = (await run("iptables", "-w", "-S", "FORWARD", timeout=10)).stdout
    except CommandFailed:
        return []
    if "-P FORWARD DROP" not in policy or spec.cluster.pod_network == "routed":
        return []
    message = "the policy of iptables' FORWARD chain is DROP (Docker sets it): pods on other hosts may not be reached"
    return [Check("ForwardDrop", "warning", message, "iptables -P FORWARD ACCEPT")]


CHECKS = (subnets, own_address, virtual_ip, forwarding)
