"""Phases that bring one host after the other to another version, each step behind a gate.

A control-plane host: the virtual IP and etcd's leader leave it; API server, controller manager and scheduler; etcd;
kubelet. The API server goes before etcd, and knows all members for as long as its own is changed: one that knows
only its own hangs without it, and kubelet, which waits for an answer of that API server, does not start the new
etcd for half a minute (kubernetes#139502).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
from kubefort.errors import Unavailable
from kubefort.model.operation import DrainSettings
from kubefort.model.spec import UPGRADE_STEPS, UpgradeStep

from kubefort_coordinator import cordons, gates, virtualip
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.etcd.client import EtcdClient, Member
from kubefort_coordinator.etcd.quorum import may_stop
from kubefort_coordinator.kubernetes.marking import mark_node
from kubefort_coordinator.membership import views
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait, wait_for_all
from kubefort_coordinator.phases.controlplane import peer_url
from kubefort_coordinator.records import Moving
from kubefort_coordinator.specs import cluster_at, node_of, running_version

POLL_S = 0.5
SETTLED_S = 2.0
UNCHANGED_S = 20.0
"""How long a host has to be well where kubelet was expected to restart components and did not (yet)."""


def is_done(coordinator: Coordinator, name: str, version: str) -> bool:
    host = coordinator.records.need_host(name)
    return running_version(coordinator.records.need_cluster(), host) == version


def advance(coordinator: Coordinator, name: str, version: str, step: UpgradeStep, **changes: object) -> None:
    """Bring a host to a step of its upgrade; one that is further stays."""
    moving = coordinator.records.need_host(name).moving or Moving(version)
    if UPGRADE_STEPS.index(moving.step) < UPGRADE_STEPS.index(step):
        coordinator.update_host(name, moving=msgspec.structs.replace(moving, step=step, **changes))


@dataclass(frozen=True)
class HandOver(Phase):
    """Whoever uses the cluster stops using this host's API server and etcd member before they restart."""

    version: str = ""
    name: ClassVar[str] = "hand-over"
    deadline: ClassVar[float] = 300.0

    @property
    def title(self) -> str:
        return f"Hand the virtual IP and etcd's leadership over from {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        if is_done(coordinator, self.host, self.version):
            return DONE
        host = coordinator.records.need_host(self.host)
        async with coordinator.etcd() as etcd:
            members = await etcd.members()
            own = next((member for member in members if peer_url(host) in member.peer_urls), None)
            if own is not None:
                obstacle = may_stop(await views(etcd, members), own.id)
                if obstacle:
                    return Wait(f"etcd to do without {self.host} ({obstacle})", 1.0)
                await _move_leader(etcd, members, own)
        return self._virtual_ip(coordinator)

    def _virtual_ip(self, coordinator: Coordinator) -> Outcome:
        others = [each.name for each in virtualip.candidates(coordinator) if each.name != self.host]
        if coordinator.records.need_cluster().cluster.vip is None or not others:
            return DONE
        held = virtualip.holders(coordinator)
        chosen = coordinator.records.need_cluster().vip_holder
        obstacles = {name: virtualip.obstacle(coordinator, name) for name in others}
        fit = [name for name in others if not obstacles[name]]
        keeper = next((name for name in (*held, chosen, *fit) if name in fit), "")
        if not keeper:
            return Wait(f"another host to be fit for the virtual IP ({next(iter(obstacles.values()))})", 1.0)
        virtualip.change(coordinator, vip_holder=keeper)
        return DONE if held == [keeper] else Wait(f"{keeper} to take the virtual IP from {self.host}", POLL_S)


async def _move_leader(etcd: EtcdClient, members: tuple[Member, ...], own: Member) -> None:
    if not own.client_urls or (await etcd.status(own.client_urls[0])).leader != own.id:
        return
    healthy = {view.id for view in await views(etcd, members) if view.healthy and not view.learner}
    heir = next((member for member in members if member.id in healthy and member.id != own.id), None)
    if heir is not None:
        await etcd.move_leader(heir.id)


@dataclass(frozen=True)
class UpgradeControlPlane(Phase):
    """API server, controller manager and scheduler; done when they run in the new version and are well."""

    version: str = ""
    name: ClassVar[str] = "upgrade-control-plane"

    @property
    def title(self) -> str:
        return f"Upgrade the control plane of {self.host} to {self.version}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        if is_done(coordinator, self.host, self.version):
            return DONE
        advance(coordinator, self.host, self.version, "api-server")
        wait = coordinator.unsettled(self.host) or await gates.api_server(coordinator, self.host, self.version)
        if wait:
            return Wait(wait, POLL_S)
        # Only now: kubelet tells of pods that it starts while the API is away up to a minute later.
        advance(coordinator, self.host, self.version, "controllers")
        wait = coordinator.unsettled(self.host)
        for name in ("kube-controller-manager", "kube-scheduler"):
            wait = wait or await gates.component(coordinator, self.host, name, self.version)
        return Wait(wait, POLL_S) if wait else DONE


@dataclass(frozen=True)
class UpgradeEtcd(Phase):
    """The host's member; done when it runs in the new version, is well, and has caught up with the leader."""

    version: str = ""
    name: ClassVar[str] = "upgrade-etcd"

    @property
    def title(self) -> str:
        return f"Upgrade etcd on {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        if is_done(coordinator, self.host, self.version):
            return DONE
        advance(coordinator, self.host, self.version, "etcd")
        wait = coordinator.unsettled(self.host)
        wait = wait or await gates.component(coordinator, self.host, "etcd", self.version)
        wait = wait or await gates.etcd(coordinator, self.host)
        return Wait(wait, POLL_S) if wait else DONE


@dataclass(frozen=True)
class UpgradeNodes(Phase):
    """Cordon, drain, another kubelet, and back to how the node was: on all of `hosts` at once."""

    version: str = ""
    hosts: tuple[str, ...] = ()
    settings: DrainSettings = field(default_factory=DrainSettings)
    name: ClassVar[str] = "upgrade-nodes"
    deadline: ClassVar[float] = 86400.0

    @property
    def title(self) -> str:
        return f"Drain {', '.join(self.hosts)} and upgrade kubelet to {self.version}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        results = await asyncio.gather(*(self._one(coordinator, name) for name in self.hosts), return_exceptions=True)
        waits = []
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Unavailable):
                raise result
            waits.append(result.message if isinstance(result, Unavailable) else result)
        return wait_for_all(waits, POLL_S)

    async def _one(self, coordinator: Coordinator, name: str) -> str:
        if not is_done(coordinator, name, self.version):
            wait = await self._empty(coordinator, name) or await self._settle(coordinator, name)
            if wait:
                return wait
        await cordons.release(coordinator, name)
        return ""

    async def _empty(self, coordinator: Coordinator, name: str) -> str:
        moving = coordinator.records.need_host(name).moving
        if moving is not None and UPGRADE_STEPS.index(moving.step) >= UPGRADE_STEPS.index("node"):
            return ""
        await cordons.hold(coordinator, name)
        wait = await cordons.empty(coordinator, name, self.settings)
        if not wait:
            containers = await gates.containers(coordinator, name, "node")
            advance(coordinator, name, self.version, "node", containers=containers)
        return wait

    async def _settle(self, coordinator: Coordinator, name: str) -> str:
        wait = await gates.node(coordinator, name, self.version)
        now, moving = coordinator.clock(), coordinator.records.need_host(name).moving
        if moving is None:
            raise AssertionError("a host whose kubelet was changed is on its way")
        if wait or not moving.well_since:
            coordinator.update_host(name, moving=msgspec.structs.replace(moving, well_since=0.0 if wait else now))
            return wait or f"{name} to stay well"
        renewed = await gates.containers(coordinator, name, moving.step) if moving.containers else {}
        unchanged = [each for each, id in moving.containers.items() if renewed.get(each) == id]
        if now - moving.well_since < (UNCHANGED_S if unchanged else SETTLED_S):
            return f"{name} to stay well" + (f", and to restart {', '.join(unchanged)}" if unchanged else "")
        spec = coordinator.spec(name)
        if spec.is_control_plane and moving.step == "node" and spec.upgrade is not None and spec.upgrade.etcd_changes:
            containers = await gates.containers(coordinator, name, "own-etcd")
            advance(coordinator, name, self.version, "own-etcd", containers=containers, well_since=0.0)
            return f"{name} to take up its last step"
        await self._mark(coordinator, name)
        coordinator.update_host(name, moving=msgspec.structs.replace(moving, done=True))
        return ""

    async def _mark(self, coordinator: Coordinator, name: str) -> None:
        cluster = cluster_at(coordinator.records.need_cluster(), self.version)
        current = await coordinator.kubernetes().get("Node", name)
        if current is not None:
            patch = mark_node(current, node_of(cluster, coordinator.records.need_host(name)), cluster)
            if patch:
                await coordinator.kubernetes().patch_node(name, patch)
