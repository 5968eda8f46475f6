"""No swap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kubefort_agent.host import swap
from kubefort_agent.resources.undo import SwapOn, Undo, UnmaskUnit

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class NoSwap:
    """No swap area is in use, and none returns at boot: fstab's lines commented out, systemd's swap units masked."""

    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return "swap"

    async def diff(self, host: Host) -> tuple[str, ...]:
        lines = [f"swap {area}: is in use, wanted off" for area in swap.areas(host.root)]
        unwanted = swap.fstab_lines(host.path("/etc/fstab"))
        lines += [f"/etc/fstab: - {line.encode(errors='replace').decode()}" for line in unwanted]
        return tuple(lines)

    async def apply(self, host: Host) -> None:
        await swap.off(host.root, host.systemd)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        units = tuple(UnmaskUnit(unit) for unit in await swap.units(host.root, host.systemd))
        return (SwapOn(tuple(swap.areas(host.root))), *units)
