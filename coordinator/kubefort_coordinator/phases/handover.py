"""A phase that comes before a host's API server stops: the virtual IP goes elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubefort_coordinator import virtualip
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait


@dataclass(frozen=True)
class LeaveVirtualIP(Phase):
    """Another fit host takes the address, and is to keep it until the operation ends; without one, it stays."""

    name: ClassVar[str] = "leave-vip"
    deadline: ClassVar[float] = 120.0

    @property
    def title(self) -> str:
        return f"Take the virtual IP away from {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        wished = coordinator.records.need_cluster().vip_holder
        others = [each.name for each in virtualip.candidates(coordinator) if each.name != self.host]
        fit = [name for name in others if not virtualip.obstacle(coordinator, name)]
        if not fit or (self.host not in virtualip.holders(coordinator) and wished in fit):
            return DONE
        held = [name for name in virtualip.holders(coordinator) if name in fit]
        target = wished if wished in fit else (held or fit)[0]
        virtualip.change(coordinator, vip_holder=target)
        if self.host in virtualip.holders(coordinator):
            return Wait(f"{target} to take the virtual IP", 0.5)
        return DONE
