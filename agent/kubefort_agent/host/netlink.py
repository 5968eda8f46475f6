"""Routes. Only those with our own protocol number are ours to change."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import json
import sys
from pathlib import Path

from kubefort_agent.host.child import Child

PROTOCOL = 75
"""Routing protocol number (rtm_protocol) of our routes; see /etc/iproute2/rt_protos: none of the known ones."""


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
    """Changes through netlink, made by a child so that pyroute2 does not stay in memory."""

    def __init__(self) -> None:
        self._child = Child("kubefort_agent.host.netlink", timeout=30.0)

    async def replace(self, destination: str, via: str) -> None:
        await self._child.ask(("replace", destination, via))

    async def remove(self, destination: str) -> None:
        """Remove our route, wherever it leads; one that is gone, or another's, is left."""
        await self._child.ask(("del", destination, ""))

    async def remove_link(self, name: str) -> None:
        """Remove a network device, if there is one of that name."""
        await self._child.ask(("unlink", name, ""))


async def change(changes: list[tuple[str, str, str]]) -> None:
    """Make the changes: (replace, destination, gateway), (del, destination, "") or (unlink, device, "")."""
    from pyroute2 import AsyncIPRoute, NetlinkError

    async with AsyncIPRoute() as netlink:
        for command, target, via in changes:
            if command == "unlink":
                for index in await netlink.link_lookup(ifname=target):
                    await netlink.link("del", index=index)
                continue
            try:
                gateway = {"gateway": via} if via else {}
                await netlink.route(command, dst=target, proto=PROTOCOL, **gateway)
            except NetlinkError as error:
                if command == "del" and error.code == errno.ESRCH:
                    continue
                raise SystemExit(f"route {command} {target} via {via}: {error}") from error


if __name__ == "__main__":
    changes = json.load(sys.stdin)
    asyncio.run(change(changes))
    json.dump([None] * len(changes), sys.stdout)
