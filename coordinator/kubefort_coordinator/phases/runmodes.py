"""Phases that change how a host runs its components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec
from kubefort.model.cluster import RunMode

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.etcd.client import EtcdClient, Member
from kubefort_coordinator.etcd.quorum import View, may_stop
from kubefort_coordinator.membership import views
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait
from kubefort_coordinator.phases.controlplane import POLL_S, peer_url
from kubefort_coordinator.records import HostRecord
from kubefort_coordinator.specs import run_modes, with_run_modes


@dataclass(frozen=True)
class Convert(Phase):
    """One component of one host runs in another mode, and is healthy in it. etcd keeps its data and its member id."""

    component: str = ""
    to: RunMode = "static-pod"
    name: ClassVar[str] = "convert"
    deadline: ClassVar[float] = 600.0
    alone: ClassVar[bool] = True

    @property
    def title(self) -> str:
        return f"Run {self.component} of {self.host} as {self.to}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        host = coordinator.records.need_host(self.host)
        if run_modes(coordinator.records.need_cluster().cluster, host)[self.component] != self.to:
            obstacle = unwell_elsewhere(coordinator, self.host)
            if not obstacle and self.component == "etcd":
                obstacle = await spare_member(coordinator, host)
            if obstacle:
                return Wait(obstacle, POLL_S * 3)
            coordinator.update_host(self.host, run_modes={**host.run_modes, self.component: self.to})
        wait = coordinator.unsettled(self.host) or unwell(coordinator, self.host)
        if wait:
            return Wait(wait, POLL_S * 3)
        if self.component == "etcd":
            async with coordinator.etcd() as etcd:
                own = own_member(await etcd.members(), host)
                if own is None or not all(view.healthy for view in await views(etcd, [own])):
                    return Wait(f"the etcd member of {self.host} to be healthy", POLL_S)
        ready, why = await coordinator.kubernetes(self.host).ready()
        return DONE if ready else Wait(f"the API server of {self.host} to be ready ({why})", POLL_S)


@dataclass(frozen=True)
class RecordRunModes(Phase):
    """What all hosts do now is the cluster's setting: further hosts do the same."""

    components: tuple[str, ...] = ()
    to: RunMode = "static-pod"
    name: ClassVar[str] = "record-run-modes"

    @property
    def title(self) -> str:
        return f"Record that {', '.join(self.components)} run as {self.to}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        record = coordinator.records.need_cluster()
        cluster = with_run_modes(record.cluster, dict.fromkeys(self.components, self.to))
        with coordinator.records.transaction():
            coordinator.records.put_cluster(msgspec.structs.replace(record, cluster=cluster))
            for host in coordinator.records.hosts():
                left = {name: mode for name, mode in host.run_modes.items() if name not in self.components}
                if left != host.run_modes:
                    coordinator.records.put_host(msgspec.structs.replace(host, run_modes=left))
            coordinator.publish()
        return DONE


def unwell(coordinator: Coordinator, host: str) -> str:
    """Which of a host's components is not healthy by its agent's last look; "" when all are."""
    status = coordinator.observer.sight(host).status
    bad = [each for each in status.conditions if not each.ok] if status else []
    return f"{bad[0].name} of {host} to be healthy ({bad[0].message})" if bad else ""


def unwell_elsewhere(coordinator: Coordinator, host: str) -> str:
    """Why no other control-plane host can carry the cluster for a moment; "" when one can, or there is no other."""
    others = [each.name for each in coordinator.control_planes() if each.name != host]
    waits = [_absent(coordinator, name) or coordinator.unsettled(name) or unwell(coordinator, name) for name in others]
    return "" if not waits or not all(waits) else waits[0]


def _absent(coordinator: Coordinator, host: str) -> str:
    return "" if coordinator.observer.sight(host).connections else f"the agent of {host} to connect"


async def spare_member(coordinator: Coordinator, host: HostRecord) -> str:
    """Why the host's etcd member may not stop now; "" when it may: it leads no more."""
    async with coordinator.etcd() as etcd:
        members = await etcd.members()
        own = own_member(members, host)
        if own is None:
            return ""
        known = await views(etcd, members)
        obstacle = may_stop(known, own.id)
        if not obstacle:
            await _stop_leading(etcd, members, own, known)
        return f"etcd to spare a member ({obstacle})" if obstacle else ""


async def _stop_leading(etcd: EtcdClient, members: tuple[Member, ...], own: Member, known: tuple[View, ...]) -> None:
    heir = next((view.id for view in known if view.id != own.id and view.healthy and not view.learner), None)
    if heir is None or not own.client_urls:
        return
    if (await etcd.status(own.client_urls[0])).leader == own.id:
        await etcd.move_leader(heir)


def own_member(members: tuple[Member, ...], host: HostRecord) -> Member | None:
    """The member of a host."""
    return next((member for member in members if peer_url(host) in member.peer_urls), None)
