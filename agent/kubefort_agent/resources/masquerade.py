"""Pods' traffic that leaves the pod network takes the host's address, and is let through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kubefort_agent.host import firewall
from kubefort_agent.resources.undo import RemoveMasquerade, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class Masquerade:
    """Source NAT for `sources` (all pod subnets), except between them; forwarding is accepted for them as well."""

    sources: tuple[str, ...]
    every: ClassVar[float] = 60.0

    @property
    def key(self) -> str:
        return "masquerade"

    async def diff(self, host: Host) -> tuple[str, ...]:
        return await firewall.difference(self.sources)

    async def apply(self, host: Host) -> None:
        await firewall.apply(self.sources)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RemoveMasquerade(self.sources),)
