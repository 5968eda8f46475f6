"""Routes. Only those with our own protocol number are ours to change."""

from __future__ import annotations

import asyncio
import ipaddress
from pathlib import Path
from typing import Any

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
    """Changes through netlink; pyroute2 is imported when there is something to change."""

    async def replace(self, destination: str, via: str) -> None:
        await self._route("replace", dst=destination, gateway=via, proto=PROTOCOL)

    async def remove(self, destination: str, via: str) -> None:
        """Remove a route of ours; one that is gone, or another's, is left."""
        await self._route("del", dst=destination, gateway=via, proto=PROTOCOL)

    async def remove_link(self, name: str) -> None:
        """Remove a network device, if there is one of that name."""
        from pyroute2 import AsyncIPRoute

        async with AsyncIPRoute() as netlink:
            for index in await netlink.link_lookup(ifname=name):
                await netlink.link("del", index=index)

    async def _route(self, command: str, **route: Any) -> None:
        from pyroute2 import AsyncIPRoute, NetlinkError

        async with AsyncIPRoute() as netlink:
            try:
                answer = netlink.route(command, **route)
                if asyncio.iscoroutine(answer):
                    await answer
            except NetlinkError as error:
                if command == "del" and error.code == 3:  # ESRCH: no such route
                    return
                raise OSError(error.code, f"route {command} {route['dst']} via {route['gateway']}: {error}") from error
