"""Bootstrap: from hosts that joined to a cluster."""

from __future__ import annotations

import msgspec
from kubefort.clusterrules import validate
from kubefort.errors import InvalidInput, Refused
from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS
from kubefort.model.cluster import CONTROL_PLANE, WORKER, HostEntry
from kubefort.model.operation import BootstrapArguments
from kubefort.model.spec import VipKey

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.phases import Phase
from kubefort_coordinator.phases.controlplane import (
    JoinEtcd,
    StartControlPlane,
    StartFirstControlPlane,
    WaitForApiServer,
)
from kubefort_coordinator.phases.hosts import Preflight, PrepareHosts, WaitForHosts
from kubefort_coordinator.phases.nodes import CompleteBootstrap, RegisterNode, RegisterNodes, StartNodes
from kubefort_coordinator.phases.objects import ApplyAddons, ApplyObjects, ApplyPodNetwork
from kubefort_coordinator.records import ClusterRecord
from kubefort_coordinator.specs import reaches

NEEDED = (
    "kubelet",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "etcd",
    "coredns",
    "pause",
)


def entries(arguments: BootstrapArguments) -> tuple[HostEntry, ...]:
    """All expected hosts, the first one first."""
    first = next((each for each in arguments.hosts if each.name == arguments.first), None)
    others = tuple(each for each in arguments.hosts if each.name != arguments.first)
    return (first or HostEntry(arguments.first, CONTROL_PLANE), *others)


def phases(arguments: BootstrapArguments, _: Coordinator) -> tuple[Phase, ...]:
    expected = entries(arguments)
    everybody = tuple(each.name for each in expected)
    first = arguments.first
    others = tuple(each.name for each in expected if each.role == CONTROL_PLANE and each.name != first)
    workers = tuple(each.name for each in expected if each.role == WORKER)
    return (
        WaitForHosts(hosts=everybody),
        Preflight(hosts=everybody),
        PrepareHosts(hosts=everybody, needed=(first,)),
        StartFirstControlPlane(first, others=others),
        *((PrepareHosts(hosts=(*others, *workers)),) if others or workers else ()),
        *(phase for host in others[:1] for phase in (JoinEtcd(host), StartControlPlane(host))),
        WaitForApiServer(first),
        ApplyObjects(),
        StartNodes(hosts=(first, *workers)),
        ApplyAddons(),
        *((ApplyPodNetwork(manifests=arguments.manifests),) if arguments.manifests else ()),
        *(phase for host in others[1:] for phase in (RegisterNode(host), JoinEtcd(host), StartControlPlane(host))),
        *((StartNodes(hosts=others),) if others else ()),
        RegisterNodes(hosts=everybody),
        *((ApplyObjects(),) if others else ()),
        CompleteBootstrap(),
    )


def check(arguments: BootstrapArguments, coordinator: Coordinator) -> None:
    """Raises Refused where hosts already run a cluster, or no bundle has its version."""
    if entries(arguments)[0].role != CONTROL_PLANE:
        raise Refused(
            f"{arguments.first} is the first host and must be a control plane", "change its role in cluster.yaml"
        )
    problems = [each for each in validate(arguments.cluster, entries(arguments)) if each.severity == "error"]
    if problems:
        raise InvalidInput("; ".join(map(str, problems)), "mend cluster.yaml and check it: `kfctl config validate`")
    if len(arguments.manifests) != len(arguments.cluster.pod_network_manifests):
        raise InvalidInput("the manifests of the pod network did not come along", "type `kfctl init` again")
    used = [each.name for each in coordinator.records.hosts() if reaches(each, "etcd")]
    if used:
        raise Refused(
            f"there is a cluster already on {', '.join(used)}",
            "go on with `kfctl operation resume`, or remove it with `kfctl reset` on each host",
        )
    version = arguments.cluster.kubernetes_version
    artifacts = coordinator.bundles.artifacts(version)
    found = {each.name for each in artifacts if each.kind == "image" or each.name not in CONTROL_PLANE_COMPONENTS}
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise Refused(f"the bundle of {version} lacks {', '.join(missing)}", "make it again with `kfctl bundle create`")
    units = [name for name in CONTROL_PLANE_COMPONENTS if arguments.cluster.component(name).run_mode == "systemd"]
    coordinator.bundles.need_programs(version, units)


def begin(arguments: BootstrapArguments, coordinator: Coordinator) -> None:
    coordinator.pki.algorithm = arguments.cluster.key_algorithm
    keys = (VipKey(1, coordinator.pki.ensure_vip_key(1)),) if arguments.cluster.vip else ()
    coordinator.records.put_cluster(
        ClusterRecord(
            cluster=arguments.cluster,
            first=arguments.first,
            expected=entries(arguments),
            ignored_checks=arguments.ignored_checks,
            vip_keys=keys,
            vip_rotated=coordinator.clock(),
        )
    )
    for host in coordinator.records.hosts():
        entry = next((each for each in entries(arguments) if each.name == host.name), None)
        if entry is not None:
            coordinator.records.put_host(
                msgspec.structs.replace(host, role=entry.role, labels=entry.labels, taints=entry.taints)
            )
    coordinator.publish()


KIND = Kind(
    name="bootstrap",
    arguments=BootstrapArguments,
    title=lambda arguments: f"Bootstrap {arguments.cluster.name} ({arguments.cluster.kubernetes_version})",
    hosts=lambda arguments: tuple(each.name for each in entries(arguments)),
    phases=phases,
    check=check,
    begin=begin,
)
