"""Routes: what the kernel has, and changes of our own ones."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from kubefort_agent.host.child import Child


def kernel_routes(root: Path = Path("/")) -> set[tuple[str, str]]:
    """(destination, gateway) of the kernel's routes that have a gateway, from /proc/net/route and ipv6_route."""
    found: set[tuple[str, str]] = set()
    for line in _lines(root / "proc/net/route")[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[2] == "00000000":
            continue
        destination, gateway, mask = (_ipv4(fields[i]) for i in (1, 2, 7))
        found.add((str(ipaddress.ip_network(f"{destination}/{mask}", strict=False)), gateway))
    for line in _lines(root / "proc/net/ipv6_route"):
        fields = line.split()
        if len(fields) < 5 or not int(fields[4], 16):
            continue
        target = ipaddress.IPv6Address(int(fields[0], 16))
        found.add((f"{target}/{int(fields[1], 16)}", str(ipaddress.IPv6Address(int(fields[4], 16)))))
    return found


def host_networks(root: Path = Path("/")) -> set[str]:
    """Every IPv4 destination that the host has a route to, the default route left out."""
    found = set()
    for line in _lines(root / "proc/net/route")[1:]:
        fields = line.split()
        if len(fields) >= 8 and fields[7] != "00000000":
            found.add(str(ipaddress.ip_network(f"{_ipv4(fields[1])}/{_ipv4(fields[7])}", strict=False)))
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _ipv4(hexadecimal: str) -> str:
    return str(ipaddress.IPv4Address(bytes.fromhex(hexadecimal)[::-1]))


class Routes:
    """Changes through netlink, made by a child (netlink_child)."""

    def __init__(self) -> None:
        self._child = Child("kubefort_agent.host.netlink_child", timeout=30.0)

    async def replace(self, destination: str, via: str) -> None:
        await self._child.ask(("replace", destination, via))

    async def remove(self, destination: str) -> None:
        """Remove our route, wherever it leads; one that is gone, or another's, is left."""
        await self._child.ask(("del", destination, ""))

    async def remove_link(self, name: str) -> None:
        """Remove a network device, if there is one of that name."""
        await self._child.ask(("unlink", name, ""))
