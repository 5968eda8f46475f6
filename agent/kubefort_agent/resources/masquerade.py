"""Pods' traffic that leaves the pod network takes the host's address, and is let through."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kubefort_agent.host import firewall, netfilter
from kubefort_agent.resources.undo import RemoveMasquerade, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class Masquerade:
    """Source NAT for `sources` (all pod subnets), except between them; forwarding is accepted for them as well.

    The programs that list rules are asked when a rule of anybody's has changed, and every minute: iptables-legacy tells
    nobody.
    """

    sources: tuple[str, ...]
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return "masquerade"

    async def diff(self, host: Host) -> tuple[str, ...]:
        mark = (netfilter.generation(), self.sources, _minute())
        if host.verdicts.get(self.key) == (mark, ()):
            return ()
        lines = await firewall.difference(self.sources)
        host.verdicts[self.key] = (mark, lines)
        return lines

    async def apply(self, host: Host) -> None:
        await firewall.apply(self.sources)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RemoveMasquerade(self.sources),)


def _minute() -> int:
    return int(time.monotonic() // 60)
