"""Phases of an upgrade that are about the whole cluster: checks, artifacts, a copy of etcd, objects, the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec
from kubefort.kubeadm.versions import parse, rules
from kubefort.model.cluster import CONTROL_PLANE

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.etcd import snapshots
from kubefort_coordinator.kubernetes.install import install
from kubefort_coordinator.kubernetes.objects.rbac import rbac
from kubefort_coordinator.membership import views
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait, wait_for_all
from kubefort_coordinator.records import Moving, UpgradeRecord
from kubefort_coordinator.specs import version_of

SNAPSHOTS_KEPT = 5


def plan_of(coordinator: Coordinator) -> UpgradeRecord:
    """The upgrade that is going on."""
    plan = coordinator.records.need_cluster().upgrade
    if plan is None:
        raise AssertionError("an upgrade's phases run after its beginning was recorded")
    return plan


@dataclass(frozen=True)
class CheckCluster(Phase):
    """Everything is well before anything is changed: who begins with a sick cluster ends with a sicker one."""

    name: ClassVar[str] = "check-cluster"
    deadline: ClassVar[float] = 120.0

    @property
    def title(self) -> str:
        return "Check that hosts, nodes and etcd are well"

    async def run(self, coordinator: Coordinator) -> Outcome:
        waits = [_sick(coordinator, host.name) for host in coordinator.records.hosts() if host.joined]
        kubernetes = coordinator.kubernetes()
        for host in coordinator.records.hosts():
            if host.joined:
                ready, why = await kubernetes.node_ready(host.name)
                waits.append("" if ready else f"node {host.name} to be Ready ({why})")
        async with coordinator.etcd() as etcd:
            waits += [
                f"the etcd member {view.name} to be well"
                for view in await views(etcd, await etcd.members())
                if view.learner or not view.healthy
            ]
        return wait_for_all(waits, 2.0)


def _sick(coordinator: Coordinator, name: str) -> str:
    sight = coordinator.observer.sight(name)
    if sight.connections <= 0:
        return f"the agent of {name} to connect"
    bad = [each for each in sight.status.conditions if not each.ok] if sight.status else []
    return coordinator.unsettled(name) or (f"{bad[0].name} on {name} to be well ({bad[0].message})" if bad else "")


@dataclass(frozen=True)
class BringArtifacts(Phase):
    """Binaries and images of the new version lie ready on every host before the first one changes.

    Control planes one after another: a host that writes much delays its etcd, and a majority must never be slow.
    """

    version: str = ""
    name: ClassVar[str] = "bring-artifacts"
    deadline: ClassVar[float] = 1800.0

    @property
    def title(self) -> str:
        return f"Bring the artifacts of {self.version} to every host"

    async def run(self, coordinator: Coordinator) -> Outcome:
        record = coordinator.records.need_cluster()
        waits: list[str] = []
        writing = ""
        for host in coordinator.records.hosts():
            plane = host.role == CONTROL_PLANE
            if not host.joined or (plane and writing):
                continue
            if host.moving is None and version_of(record, host) != self.version:
                coordinator.update_host(host.name, moving=Moving(self.version))
            wait = coordinator.unsettled(host.name)
            waits.append(wait)
            if plane:
                writing = wait
        return wait_for_all(waits)


@dataclass(frozen=True)
class SaveEtcd(Phase):
    """The last resort: etcd's data as they were before."""

    name: ClassVar[str] = "save-etcd"

    @property
    def title(self) -> str:
        return "Save a copy of etcd's data, and check it"

    async def run(self, coordinator: Coordinator) -> Outcome:
        plan, folder = plan_of(coordinator), coordinator.folder / "snapshots"
        if plan.snapshot and (folder / plan.snapshot).exists():
            return DONE
        name = f"before-{plan.new}-{coordinator.clock():.0f}.db"
        async with coordinator.etcd() as etcd:
            members = await etcd.members()
            well = {view.id for view in await views(etcd, members) if view.healthy and not view.learner}
            source = next((member for member in members if member.id in well and member.client_urls), None)
            if source is None:
                return Wait("a healthy etcd member to copy from", 2.0)
            size = await snapshots.save(etcd.snapshot(source.client_urls[0]), folder / name)
        snapshots.keep_newest(folder, SNAPSHOTS_KEPT)
        record = coordinator.records.need_cluster()
        changed = msgspec.structs.replace(plan, snapshot=name)
        coordinator.records.put_cluster(msgspec.structs.replace(record, upgrade=changed))
        coordinator.event("", "EtcdSaved", f"etcd's data ({size >> 10} KiB) are saved in {folder / name}")
        return DONE


@dataclass(frozen=True)
class AllowNewVersion(Phase):
    """Roles and bindings that the new version's certificates need; they do no harm to the old one."""

    version: str = ""
    name: ClassVar[str] = "allow-new-version"

    @property
    def title(self) -> str:
        return f"Write the roles that {self.version} needs into the cluster"

    async def run(self, coordinator: Coordinator) -> Outcome:
        await install(coordinator.kubernetes(), rbac(rules(parse(self.version))))
        return DONE


@dataclass(frozen=True)
class AdoptVersion(Phase):
    """From here on the cluster is one of the new version, with workers that are still behind."""

    version: str = ""
    name: ClassVar[str] = "adopt-version"

    @property
    def title(self) -> str:
        return f"Record that the control plane is {self.version}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        record = coordinator.records.need_cluster()
        cluster = msgspec.structs.replace(record.cluster, kubernetes_version=self.version)
        with coordinator.records.transaction():
            coordinator.records.put_cluster(msgspec.structs.replace(record, cluster=cluster))
            coordinator.publish()
        return DONE


@dataclass(frozen=True)
class CompleteUpgrade(Phase):
    """kube-proxy and CoreDNS have followed, and nothing is on its way any more."""

    name: ClassVar[str] = "complete-upgrade"

    @property
    def title(self) -> str:
        return "Wait for kube-proxy and CoreDNS, and remove the old version's artifacts"

    async def run(self, coordinator: Coordinator) -> Outcome:
        kubernetes = coordinator.kubernetes()
        proxy = await kubernetes.get("DaemonSet", "kube-proxy", "kube-system", "apps/v1")
        dns = await kubernetes.get("Deployment", "coredns", "kube-system", "apps/v1")
        waits = [rollout(each) for each in (proxy, dns) if each is not None]
        if any(waits):
            return wait_for_all(waits, 1.0)
        record = coordinator.records.need_cluster()
        plan = plan_of(coordinator)
        with coordinator.records.transaction():
            finished = msgspec.structs.replace(plan, done=True)
            coordinator.records.put_cluster(msgspec.structs.replace(record, upgrade=finished))
            for host in coordinator.records.hosts():
                coordinator.update_host(host.name, version="", moving=None)
        left = wait_for_all([coordinator.unsettled(host.name) for host in coordinator.records.hosts() if host.joined])
        if left is DONE:
            coordinator.event("", "Upgraded", f"the cluster is at {plan.new}")
        return left


def rollout(thing: dict[str, object]) -> str:
    """What a DaemonSet or Deployment still waits for, "" where all its pods are new and available."""
    metadata: dict[str, object] = thing["metadata"]  # type: ignore[assignment]
    spec: dict[str, int] = thing.get("spec") or {}  # type: ignore[assignment]
    status: dict[str, int] = thing.get("status") or {}  # type: ignore[assignment]
    if "desiredNumberScheduled" in status:
        wanted, new = status["desiredNumberScheduled"], status.get("updatedNumberScheduled", 0)
        available = status.get("numberAvailable", 0)
    else:
        wanted, new = spec.get("replicas", 1), status.get("updatedReplicas", 0)
        available = status.get("availableReplicas", 0)
    seen = status.get("observedGeneration", 0) == metadata.get("generation", 0)
    if seen and new >= wanted and available >= wanted:
        return ""
    return f"{metadata['name']}: {min(new, available)} of {wanted} pods are new and available"
