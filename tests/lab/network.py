"""The lab's network on the machine's side: subnets, the cable of a host, and partitions between hosts."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable

from tests.lab.shell import LabError, run, run_coded


def network_name(lab: str) -> str:
    return f"kubefort-lab-{lab}"


def bridge_name(subnet: str) -> str:
    """The bridge's interface name, at most 15 characters: kflab-10-77-3."""
    return "kflab-" + "-".join(subnet.split(".")[:3])


def free_subnet() -> str:
    """The first 10.77.N.0/24 that no network of this machine overlaps."""
    taken = [ipaddress.ip_network(route["dst"], strict=False) for route in _routes() if route["dst"] != "default"]
    for number in range(256):
        subnet = ipaddress.ip_network(f"10.77.{number}.0/24")
        if not any(subnet.overlaps(other) for other in taken if other.version == 4):
            return str(subnet)
    raise LabError("no free subnet in 10.77.0.0/16")


def _routes() -> list[dict[str, str]]:
    return list(json.loads(run("ip", "-j", "-4", "route", "show", "table", "main") or "[]"))


def create(lab: str, subnet: str) -> None:
    run(
        *("docker", "network", "create", "--driver=bridge", f"--subnet={subnet}"),
        *(f"--opt=com.docker.network.bridge.name={bridge_name(subnet)}", network_name(lab)),
    )


def remove(lab: str) -> None:
    run_coded("docker", "network", "rm", network_name(lab), check=False)


def cable(pid: int) -> str:
    """The machine's end of the cable of the host whose init is `pid`: a veth's name."""
    shown = json.loads(run("nsenter", "--target", str(pid), "--net", "ip", "-j", "link", "show", "dev", "eth0"))
    index = shown[0]["link_index"]
    for link in json.loads(run("ip", "-j", "link", "show", "type", "veth")):
        if link["ifindex"] == index:
            return str(link["ifname"])
    raise LabError(f"no interface {index}: the cable of process {pid}'s host has no other end")


def set_cable(veth: str, plugged: bool) -> None:
    """Carrier on or off; the host keeps its interface and addresses, as with a real cable."""
    run("ip", "link", "set", veth, "up" if plugged else "down")


def set_partitions(lab: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Make these pairs of cables the only ones of the lab that exchange nothing: drops every frame, both ways."""
    table = f"bridge kubefort_lab_{lab.replace('-', '_')}"
    rules = [f"iifname {a} oifname {b} drop" for pair in pairs for a, b in (pair, pair[::-1])]
    lines = [f"table {table} {{", "chain forward {", "type filter hook forward priority 0;", *rules, "}", "}"]
    script = "\n".join([f"table {table}", f"delete table {table}", *(lines if rules else [])])
    run("nft", "-f", "-", stdin=f"{script}\n".encode())
