"""Phases by which a host leaves the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubefort.errors import Refused

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.etcd.quorum import may_remove
from kubefort_coordinator.membership import views
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait
from kubefort_coordinator.phases.controlplane import peer_url
from kubefort_coordinator.specs import reaches

FORCE = "let another control plane join first, or accept that: `kfctl reset {} --force`"


GONE_S = 15.0
"""A host of which nothing was heard for so long is not waited for; an agent dials again within 10 seconds."""


@dataclass(frozen=True)
class LeaveEtcd(Phase):
    """Take the host's etcd member out, where the rest then still holds the cluster."""

    force: bool = False
    name: ClassVar[str] = "leave-etcd"
    alone: ClassVar[bool] = True

    @property
    def title(self) -> str:
        return f"Take {self.host} out of etcd"

    async def run(self, coordinator: Coordinator) -> Outcome:
        host = coordinator.records.host(self.host)
        others = [each for each in coordinator.control_planes("etcd") if each.name != self.host]
        if host is None or host.etcd is None:
            return DONE
        if not others:
            left = [each.name for each in coordinator.records.hosts() if each.name != self.host and each.joined]
            if left and not self.force:
                raise Refused(
                    f"{self.host} has the last member of etcd: without it the cluster is gone",
                    f"reset {', '.join(left)} first, or use --force",
                )
            return DONE
        async with coordinator.etcd(*others) as etcd:
            members = await etcd.members()
            own = next((member for member in members if peer_url(host) in member.peer_urls), None)
            if own is None:
                return DONE
            seen = await views(etcd, members)
            obstacle = may_remove(seen, own.id, self.force)
            if obstacle:
                hopeless = may_remove(seen, own.id, forced=True)
                raise Refused(obstacle, "mend the others: `kfctl doctor`" if hopeless else FORCE.format(self.host))
            await etcd.remove(own.id)
        return DONE


@dataclass(frozen=True)
class ClearHost(Phase):
    """Remove everything of ours from the host."""

    force: bool = False
    name: ClassVar[str] = "clear-host"

    @property
    def title(self) -> str:
        return f"Clear {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        host = coordinator.records.host(self.host)
        if host is None:
            return DONE
        coordinator.update_host(self.host, stage="absent")
        wait = coordinator.unsettled(self.host)
        sight = coordinator.observer.sight(self.host)
        if wait and self.force and coordinator.observer.silence(self.host) > GONE_S:
            return DONE
        if wait and not sight.connections:
            wait += "; where it is gone for good: `kfctl reset --force`"
        return Wait(wait) if wait else DONE


@dataclass(frozen=True)
class DeleteNode(Phase):
    """Delete the Node object."""

    name: ClassVar[str] = "delete-node"

    @property
    def title(self) -> str:
        return f"Delete node {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        if any(reaches(each, "control-plane") for each in coordinator.control_planes() if each.name != self.host):
            await coordinator.kubernetes().delete_node(self.host)
        return DONE


@dataclass(frozen=True)
class ForgetHost(Phase):
    """Forget the host and what it may show; with the last one, the cluster."""

    name: ClassVar[str] = "forget-host"

    @property
    def title(self) -> str:
        return f"Forget {self.host}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        with coordinator.records.transaction():
            if coordinator.records.host(self.host) is not None:
                coordinator.records.delete_host(self.host)
                coordinator.event(self.host, "HostRemoved", f"{self.host} was removed")
            if not coordinator.records.hosts():
                coordinator.records.delete_cluster()
            coordinator.publish()
        if coordinator.records.cluster() is None:
            coordinator.pki.retire_cluster()
        coordinator.observer.forget(self.host)
        return DONE
