"""Changes of routes and devices: what `netlink` asks of a child. Only this file and kubefort-vip import pyroute2."""

from __future__ import annotations

import asyncio
import errno
import json
import sys

from pyroute2 import AsyncIPRoute, NetlinkError

PROTOCOL = 75
"""Routing protocol number of our routes, none of /etc/iproute2/rt_protos: only these are ours to change."""


async def change(changes: list[tuple[str, str, str]]) -> None:
    """Make the changes: (replace, destination, gateway), (del, destination, "") or (unlink, device, "")."""
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
                raise SystemExit(_sentence(command, target, via, error)) from error


def _sentence(command: str, target: str, via: str, error: NetlinkError) -> str:
    if error.code in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"no route to {target} via {via}: the pod network `routed` wants all hosts on one network"
    return f"route {command} {target} {via}: {error}"


if __name__ == "__main__":
    requests = json.load(sys.stdin)
    asyncio.run(change(requests))
    json.dump([None] * len(requests), sys.stdout)
