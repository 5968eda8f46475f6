"""Phases that say whether a node takes pods, and make those leave that it has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
from kubefort.errors import Refused
from kubefort.model.operation import DrainSettings

from kubefort_coordinator import cordons
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait

POLL_S = 0.5


@dataclass(frozen=True)
class CordonNode(Phase):
    """The node takes no new pods, until an operator says otherwise."""

    name: ClassVar[str] = "cordon-node"

    @property
    def title(self) -> str:
        return f"Keep new pods from {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        return await _mark(coordinator, self.host, True)


@dataclass(frozen=True)
class UncordonNode(Phase):
    """The node takes pods again."""

    name: ClassVar[str] = "uncordon-node"

    @property
    def title(self) -> str:
        return f"Let pods onto {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        return await _mark(coordinator, self.host, False)


async def _mark(coordinator: Coordinator, name: str, unschedulable: bool) -> Outcome:
    """What an operator says now counts, not what was before some operation."""
    cordon = coordinator.records.need_host(name).cordon
    if cordon is not None:
        coordinator.update_host(name, cordon=msgspec.structs.replace(cordon, before=unschedulable, keep=False))
    if not await cordons.mark(coordinator, name, unschedulable):
        raise Refused(f"there is no node {name}", "see `kubectl get nodes`")
    return DONE


@dataclass(frozen=True)
class DrainNode(Phase):
    """Cordon, and move the pods by the Eviction API; the node stays cordoned."""

    settings: DrainSettings = field(default_factory=DrainSettings)
    name: ClassVar[str] = "drain-node"
    deadline: ClassVar[float] = 86400.0

    @property
    def title(self) -> str:
        return f"Move the pods of {self.host} to other nodes"

    async def run(self, coordinator: Coordinator) -> Outcome:
        await cordons.hold(coordinator, self.host, keep=True)
        wait = await cordons.empty(coordinator, self.host, self.settings)
        if wait:
            return Wait(wait, POLL_S)
        await cordons.release(coordinator, self.host)
        return DONE
