"""Phases that start control planes: the first one, and each further one through an etcd learner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec
from kubefort.errors import KubefortError, Refused, Unavailable
from kubefort.kubeadm.addresses import host_port
from kubefort.model.spec import EtcdMembership

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.etcd.client import EtcdClient, Member, NotInSync
from kubefort_coordinator.etcd.quorum import may_add, may_remove
from kubefort_coordinator.membership import views
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait
from kubefort_coordinator.records import HostRecord

POLL_S = 0.3


def peer_url(host: HostRecord) -> str:
    """Where etcd's other members reach the one on this host."""
    return f"https://{host_port(host.address, 2380)}"


@dataclass(frozen=True)
class StartFirstControlPlane(Phase):
    """etcd's first member, and the first API server: they find each other, so they start together.

    Done when etcd answers: other members can be added while the API server starts. `others` are the further control
    planes, which make their certificates and start kubelet meanwhile.
    """

    others: tuple[str, ...] = ()

    name: ClassVar[str] = "start-first-control-plane"

    @property
    def title(self) -> str:
        return f"Start the control plane on {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        record = coordinator.records.need_cluster()
        host = coordinator.records.need_host(self.host)
        with coordinator.records.transaction():
            if not record.cluster.endpoint:
                vip = record.cluster.vip
                endpoint = host_port(vip.address.partition("/")[0] if vip else host.address)
                cluster = msgspec.structs.replace(record.cluster, endpoint=endpoint)
                coordinator.records.put_cluster(msgspec.structs.replace(record, cluster=cluster))
            for other in self.others:
                coordinator.raise_stage(other, "etcd")
            if host.etcd is None:
                membership = EtcdMembership(((host.name, peer_url(host)),), "new")
                coordinator.update_host(host.name, etcd=membership)
            coordinator.raise_stage(host.name, "control-plane")
        async with coordinator.etcd(host) as etcd:
            try:
                await etcd.members()
            except Unavailable as error:
                return Wait(f"etcd of {host.name} ({error.message})", POLL_S)
        return DONE


@dataclass(frozen=True)
class JoinEtcd(Phase):
    """A new etcd member: added as a learner, started, promoted when in sync."""

    name: ClassVar[str] = "join-etcd"
    alone: ClassVar[bool] = True

    @property
    def title(self) -> str:
        return f"Add {self.host} to etcd"

    async def run(self, coordinator: Coordinator) -> Outcome:
        host = coordinator.records.need_host(self.host)
        others = [each for each in coordinator.control_planes("etcd") if each.name != host.name]
        if not others:
            raise KubefortError("no control plane has etcd yet", "run `kfctl init` again, so that it is finished first")
        async with coordinator.etcd(*others) as etcd:
            members = await etcd.members()
            own = next((member for member in members if peer_url(host) in member.peer_urls), None)
            if own is not None and host.etcd is None and await _is_stale(etcd, members, own):
                await etcd.remove(own.id)
                coordinator.event(host.name, "EtcdMemberRemoved", f"the member that {host.name} had before is removed")
                members, own = await etcd.members(), None
            if own is None:
                obstacle = may_add(await views(etcd, members))
                if obstacle:
                    return Wait(f"etcd to take another member ({obstacle})", 1.0)
                own = await etcd.add_learner([peer_url(host)])
                members = await etcd.members()
            if host.etcd is None:
                named = [(member.name, url) for member in members for url in member.peer_urls if member.id != own.id]
                initial = (*named, (host.name, peer_url(host)))
                coordinator.update_host(host.name, etcd=EtcdMembership(initial, "existing"))
            coordinator.raise_stage(host.name, "etcd")
            if not own.is_learner:
                return DONE
            if not own.started:
                return Wait(coordinator.unsettled(host.name) or f"etcd on {host.name} to start", POLL_S)
            try:
                await etcd.promote(own.id)
            except NotInSync as error:
                return Wait(f"etcd on {host.name} to be in sync ({error.message})", POLL_S)
        return DONE


async def _is_stale(etcd: EtcdClient, members: Sequence[Member], own: Member) -> bool:
    """Whether a member is of a host's earlier life: its data are lost, so it neither answers nor may start again.

    Raises Refused where it may not be removed.
    """
    seen = await views(etcd, members)
    view = next(each for each in seen if each.id == own.id)
    if view.healthy or not view.started:
        return False
    obstacle = may_remove(seen, own.id)
    if obstacle:
        raise Refused(
            f"etcd still has the member that {view.name} had before, and it may not be removed now: {obstacle}",
            "mend the other members first: `kfctl doctor`",
        )
    return True


@dataclass(frozen=True)
class StartControlPlane(Phase):
    """The API server, controller manager and scheduler of a further control plane; others may go on meanwhile."""

    name: ClassVar[str] = "start-control-plane"

    @property
    def title(self) -> str:
        return f"Start the control plane on {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        coordinator.raise_stage(self.host, "control-plane")
        return DONE


@dataclass(frozen=True)
class WaitForApiServer(Phase):
    """Until the API server of a host says it is ready."""

    name: ClassVar[str] = "wait-for-api-server"

    @property
    def title(self) -> str:
        return f"Wait for the API server of {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        ready, why = await coordinator.kubernetes(self.host).ready()
        if ready:
            return DONE
        return Wait(f"the API server of {self.host} to be ready ({why or coordinator.unsettled(self.host)})", POLL_S)
