"""Upgrade: a cluster goes to another version of Kubernetes, host by host, while it is used."""

from __future__ import annotations

import msgspec
from kubefort.errors import InvalidInput, Refused
from kubefort.kubeadm import upgrades
from kubefort.kubeadm.versions import parse
from kubefort.model.cluster import CONTROL_PLANE
from kubefort.model.operation import UpgradeArguments

from kubefort_coordinator import virtualip
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.operations.bootstrap import NEEDED
from kubefort_coordinator.phases import Phase
from kubefort_coordinator.phases.objects import ApplyAddons, ApplyObjects
from kubefort_coordinator.phases.upgrade import (
    AdoptVersion,
    AllowNewVersion,
    BringArtifacts,
    CheckCluster,
    CompleteUpgrade,
    SaveEtcd,
)
from kubefort_coordinator.phases.upgradehosts import HandOver, UpgradeControlPlane, UpgradeEtcd, UpgradeNodes
from kubefort_coordinator.records import HostRecord, UpgradeRecord
from kubefort_coordinator.specs import version_of


def phases(arguments: UpgradeArguments, coordinator: Coordinator) -> tuple[Phase, ...]:
    plan, version, drain = plan_for(arguments, coordinator), arguments.version, arguments.drain
    return (
        CheckCluster(),
        BringArtifacts(version=version),
        SaveEtcd(),
        AllowNewVersion(version=version),
        *(
            phase
            for host in plan.control_planes
            for phase in (
                *((HandOver(host, version),) if len(plan.control_planes) > 1 else ()),
                UpgradeControlPlane(host, version),
                UpgradeEtcd(host, version),
                UpgradeNodes(host, version, (host,), drain),
            )
        ),
        AdoptVersion(version=version),
        ApplyObjects(),
        ApplyAddons(),
        *(UpgradeNodes(batch[0] if len(batch) == 1 else "", version, batch, drain) for batch in plan.workers),
        CompleteUpgrade(),
    )


def plan_for(arguments: UpgradeArguments, coordinator: Coordinator) -> UpgradeRecord:
    """Who has his turn when: as recorded when the upgrade began, or as it would be now."""
    plan = coordinator.records.need_cluster().upgrade
    if plan is not None and plan.new == arguments.version and _names(plan) == {*arguments.hosts}:
        return plan
    return make_plan(arguments, coordinator)


def make_plan(arguments: UpgradeArguments, coordinator: Coordinator) -> UpgradeRecord:
    """Hosts as given, but the virtual IP's holder last of the control planes: so the address moves only once."""
    record = coordinator.records.need_cluster()
    hosts = [coordinator.records.need_host(name) for name in arguments.hosts]
    planes = [host.name for host in hosts if host.role == CONTROL_PLANE]
    held = virtualip.holders(coordinator) if record.cluster.vip else []
    workers = [host.name for host in hosts if host.role != CONTROL_PLANE]
    unfinished = record.upgrade if record.upgrade and not record.upgrade.done else None
    return UpgradeRecord(
        old=unfinished.old if unfinished else record.cluster.kubernetes_version,
        new=arguments.version,
        control_planes=tuple(sorted(planes, key=lambda name: name in held)),
        workers=upgrades.batches(workers, arguments.max_unavailable),
        snapshot=unfinished.snapshot if unfinished else "",
    )


def _names(plan: UpgradeRecord) -> set[str]:
    return {*plan.control_planes, *(name for batch in plan.workers for name in batch)}


def check(arguments: UpgradeArguments, coordinator: Coordinator) -> None:
    """Raises Refused where the cluster may not go there, InvalidInput where the arguments make no sense."""
    record, target = coordinator.records.need_cluster(), parse(arguments.version)
    members = _members(coordinator)
    if not record.bootstrapped:
        raise Refused("the cluster's bootstrap has not ended well", "see `kfctl operation list`")
    if {host.name for host in members} != {*arguments.hosts} or len(members) != len(arguments.hosts):
        raise InvalidInput(f"an upgrade is of all hosts: {', '.join(host.name for host in members)}", "name each once")
    upgrades.at_once(arguments.max_unavailable, len(members))
    unfinished = record.upgrade is not None and not record.upgrade.done
    if record.upgrade is not None and unfinished and record.upgrade.new != arguments.version:
        raise Refused(
            f"the upgrade to {record.upgrade.new} is not finished", f"`kfctl upgrade apply {record.upgrade.new}` first"
        )
    if record.cluster.kubernetes_version == arguments.version and not unfinished:
        raise Refused(f"the cluster has {arguments.version} already", "see `kfctl upgrade plan`")
    kubelets = [(host.name, parse(version_of(record, host))) for host in members]
    obstacle = upgrades.obstacle(parse(record.cluster.kubernetes_version), target, kubelets)
    if obstacle:
        raise Refused(f"the cluster cannot go to {arguments.version}: {obstacle}", "see `kfctl upgrade plan`")
    found = {artifact.name for artifact in coordinator.bundles.artifacts(arguments.version)}
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise Refused(f"the bundle of {arguments.version} lacks {', '.join(missing)}", "make it again, then add it")
    flags = upgrades.removed_flags(record.cluster, target)
    if flags:
        named = ", ".join(f"--{flag} of {component}" for component, flag in flags)
        raise Refused(f"{arguments.version} does not know {named}", "take it out of cluster.yaml's extraArgs first")


def warnings(arguments: UpgradeArguments, coordinator: Coordinator) -> tuple[str, ...]:
    """What the operator should know before."""
    record = coordinator.records.need_cluster()
    planes = [host for host in _members(coordinator) if host.role == CONTROL_PLANE]
    found = [upgrades.beyond_table(parse(arguments.version))]
    if len(planes) == 1:
        found.append(f"{planes[0].name} is the only control plane: the API is away while it restarts, a minute or two")
    elif len(planes) == 2:
        found.append("etcd has two members: no write is answered while one of them restarts, some seconds each")
    if len(planes) > 1 and record.cluster.vip is None:
        found.append(f"there is no virtual IP: who uses {record.cluster.endpoint} notices when its host restarts")
    return tuple(filter(None, found))


def begin(arguments: UpgradeArguments, coordinator: Coordinator) -> None:
    record, plan = coordinator.records.need_cluster(), make_plan(arguments, coordinator)
    coordinator.records.put_cluster(msgspec.structs.replace(record, upgrade=plan))
    for host in _members(coordinator):
        # The cluster's version becomes the new one while workers still have the old.
        coordinator.records.put_host(msgspec.structs.replace(host, version=version_of(record, host)))


def ended(arguments: UpgradeArguments, coordinator: Coordinator) -> None:
    """From now on whoever has the virtual IP keeps it."""
    if coordinator.records.cluster() is not None:
        virtualip.change(coordinator, vip_holder="")


def _members(coordinator: Coordinator) -> list[HostRecord]:
    return [host for host in coordinator.records.hosts() if host.joined]


KIND = Kind(
    name="upgrade",
    arguments=UpgradeArguments,
    title=lambda arguments: f"Upgrade to {arguments.version}",
    hosts=lambda arguments: arguments.hosts,
    phases=phases,
    check=check,
    begin=begin,
    ended=ended,
    warnings=warnings,
)
