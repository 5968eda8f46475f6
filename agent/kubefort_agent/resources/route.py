"""A route to another host's pods."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kubefort_agent.host.netlink import kernel_routes
from kubefort_agent.resources.undo import RemoveRoute, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class Route:
    """Traffic to the network `destination` goes via the address `via`."""

    destination: str
    via: str
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"route {self.destination}"

    async def diff(self, host: Host) -> tuple[str, ...]:
        wanted = (str(ipaddress.ip_network(self.destination)), str(ipaddress.ip_address(self.via)))
        routes = kernel_routes(host.root)
        if wanted in routes:
            return ()
        others = ", ".join(via for destination, via in routes if destination == wanted[0])
        return (f"route {self.destination}: {f'goes via {others}' if others else 'is missing'}, wanted via {self.via}",)

    async def apply(self, host: Host) -> None:
        await host.routes.replace(self.destination, self.via)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RemoveRoute(self.destination),)
