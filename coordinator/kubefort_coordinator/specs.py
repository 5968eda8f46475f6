"""From records to each host's NodeSpec; pure, and the only place that decides what a host is told."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from kubefort.errors import InvalidInput
from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS
from kubefort.model.cluster import CONTROL_PLANE, Cluster, RunMode
from kubefort.model.spec import STAGES, Artifact, Node, NodeSpec, Stage, Upgrade, minor_of

from kubefort_coordinator.records import ClusterRecord, HostRecord

_WORKERS_BINARIES = ("kubelet", "kubectl", "kubeadm", "crictl")
_CONTROL_PLANES_IMAGES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")


def reaches(host: HostRecord, stage: Stage) -> bool:
    """Whether a host shall be at least at `stage`."""
    return STAGES.index(host.stage) >= STAGES.index(stage)


def pod_cidrs(cluster: Cluster, index: int) -> tuple[str, ...]:
    """Host number `index`'s part of each pod subnet: a /24 (IPv4) or /64 (IPv6), smaller in a small subnet.

    Empty where something else than us gives pods their addresses. Raises InvalidInput where the subnet is used up.
    """
    if cluster.pod_network != "routed":
        return ()
    return tuple(str(_part(ipaddress.ip_network(subnet), index)) for subnet in cluster.pod_subnets)


def _part(
    subnet: ipaddress.IPv4Network | ipaddress.IPv6Network, index: int
) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    usual, smallest = (24, 28) if subnet.version == 4 else (64, 120)
    prefix = min(max(usual, subnet.prefixlen + 4), max(smallest, subnet.prefixlen))
    if index >= 1 << (prefix - subnet.prefixlen):
        raise InvalidInput(f"pod subnet {subnet} has no /{prefix} left for another host", "use a larger pod subnet")
    size = 1 << (subnet.max_prefixlen - prefix)
    return ipaddress.ip_network(f"{subnet.network_address + index * size}/{prefix}")


def free_pod_index(hosts: Iterable[HostRecord]) -> int:
    """The smallest index that no host has."""
    taken = {host.pod_index for host in hosts}
    return next(index for index in range(len(taken) + 1) if index not in taken)


def node_of(cluster: Cluster, host: HostRecord) -> Node:
    """The Kubernetes node that a host is or becomes."""
    return Node(
        name=host.name,
        address=host.address,
        role=host.role,
        pod_cidrs=pod_cidrs(cluster, host.pod_index),
        labels=host.labels,
        taints=host.taints,
    )


def run_modes(cluster: Cluster, host: HostRecord) -> dict[str, RunMode]:
    """How the components of a control-plane host run there; nothing for a worker."""
    if host.role != CONTROL_PLANE:
        return {}
    return {name: host.run_modes.get(name) or cluster.component(name).run_mode for name in CONTROL_PLANE_COMPONENTS}


def with_run_modes(cluster: Cluster, modes: Mapping[str, RunMode]) -> Cluster:
    """The cluster with other run modes of some components."""
    changed = {
        name: msgspec.structs.replace(cluster.component(name), run_mode=mode)
        for name, mode in modes.items()
        if cluster.component(name).run_mode != mode
    }
    return msgspec.structs.replace(cluster, components={**cluster.components, **changed}) if changed else cluster


def artifacts_for(cluster: Cluster, host: HostRecord, artifacts: Iterable[Artifact]) -> tuple[Artifact, ...]:
    """Those artifacts of a bundle that a host needs: components' programs only where they run as units."""
    if host.role == CONTROL_PLANE:
        modes = run_modes(cluster, host)
        return tuple(
            artifact
            for artifact in artifacts
            if artifact.kind == "image" or modes.get(artifact.name, "systemd") == "systemd"
        )
    return tuple(
        artifact
        for artifact in artifacts
        if (
            artifact.name in _WORKERS_BINARIES
            if artifact.kind == "binary"
            else artifact.name not in _CONTROL_PLANES_IMAGES
        )
    )


def version_of(record: ClusterRecord, host: HostRecord) -> str:
    """The version of Kubernetes that a host has, or leaves, until the upgrade of all hosts has ended."""
    return host.version or record.cluster.kubernetes_version


def running_version(record: ClusterRecord, host: HostRecord) -> str:
    """The version of Kubernetes that runs on a host; while it is on its way, the one it leaves."""
    return host.moving.version if host.moving is not None and host.moving.done else version_of(record, host)


def cluster_at(record: ClusterRecord, version: str) -> Cluster:
    """The cluster as it is, or was, or will be, with a version."""
    return msgspec.structs.replace(record.cluster, kubernetes_version=version)


def render(
    record: ClusterRecord,
    hosts: Iterable[HostRecord],
    host: HostRecord,
    artifacts: Iterable[Artifact],
    upcoming: Iterable[Artifact] = (),
) -> NodeSpec:
    """A host's spec, with generation 0. `artifacts` are of the host's version, `upcoming` of the one it moves to."""
    record = msgspec.structs.replace(record, cluster=cluster_at(record, version_of(record, host)))
    artifacts = tuple(artifacts)
    peers = sorted(
        (other for other in hosts if other.name != host.name and reaches(other, "prepared")),
        key=lambda other: other.name,
    )
    return NodeSpec(
        generation=0,
        cluster=with_run_modes(record.cluster, run_modes(record.cluster, host)),
        node=node_of(record.cluster, host),
        stage=host.stage,
        peers=tuple(node_of(record.cluster, other) for other in peers),
        etcd=host.etcd if host.role == CONTROL_PLANE else None,
        artifacts=artifacts_for(record.cluster, host, artifacts),
        ignored_checks=tuple(dict.fromkeys((*record.ignored_checks, *host.ignored_checks))),
        upgrade=_upgrade(record.cluster, host, artifacts, tuple(upcoming)),
        **(_virtual_ip(record) if host.role == CONTROL_PLANE else {}),
    )


def _upgrade(
    cluster: Cluster, host: HostRecord, artifacts: tuple[Artifact, ...], upcoming: tuple[Artifact, ...]
) -> Upgrade | None:
    """What the host moves to; `cluster` is in the version it leaves."""
    moving = host.moving
    if moving is None:
        return None
    old, new = ({each.ref for each in some if each.name == "etcd"} for some in (artifacts, upcoming))
    changes = old != new or minor_of(cluster.kubernetes_version) != minor_of(moving.version)
    return Upgrade(moving.version, artifacts_for(cluster, host, upcoming), moving.step, changes)


def _virtual_ip(record: ClusterRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in ("vip_keys", "vip_send_key", "vip_auth", "vip_holder")}


def next_spec(published: NodeSpec | None, rendered: NodeSpec, *, force: bool = False) -> NodeSpec | None:
    """What to publish: `rendered` with the next generation, or None where nothing changed."""
    if published is None:
        return msgspec.structs.replace(rendered, generation=1)
    if not force and msgspec.structs.replace(published, generation=0) == rendered:
        return None
    return msgspec.structs.replace(rendered, generation=published.generation + 1)
