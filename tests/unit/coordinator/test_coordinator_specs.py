"""From records to specs."""

from __future__ import annotations

import msgspec
import pytest
from kubefort.errors import InvalidInput
from kubefort.model.cluster import Cluster, ComponentSettings, Role
from kubefort.model.spec import UPGRADE_STEPS, Artifact, EtcdMembership, Stage, Upgrade, VipKey
from kubefort.model.status import Facts
from kubefort_coordinator.records import ClusterRecord, HostRecord, Moving
from kubefort_coordinator.specs import free_pod_index, next_spec, pod_cidrs, render, run_modes

ARTIFACTS = (
    *(Artifact("binary", name, "0", 1) for name in ("kubelet", "kubectl", "kubeadm", "crictl", "etcdctl")),
    *(
        Artifact("image", name, "0", 1, name)
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "etcd",
            "coredns",
            "pause",
        )
    ),
    Artifact("image", "flannel", "0", 1, "flannel"),
)
RECORD = ClusterRecord(Cluster("v1.36.2"), "cp-1", vip_keys=(VipKey(1, "vip-key-1"),), ignored_checks=("NumCPU",))


def host(name: str, stage: Stage = "node", role: Role = "control-plane", index: int = 0) -> HostRecord:
    facts = Facts(hostname=name, machine_id=name, address=f"192.0.2.{index}")
    return HostRecord(name, role, facts.address, facts, index, stage=stage)


def test_peers_are_the_other_hosts_that_are_prepared_at_least() -> None:
    hosts = [
        host("d", "absent", index=4),
        host("c", "prepared", "worker", 3),
        host("b", index=2),
        host("a", "enrolled"),
    ]
    spec = render(RECORD, hosts, hosts[2], ())
    assert [(peer.name, peer.role, peer.pod_cidrs) for peer in spec.peers] == [("c", "worker", ("10.244.3.0/24",))]
    assert spec.node.pod_cidrs == ("10.244.2.0/24",)


def test_a_worker_gets_what_a_worker_needs() -> None:
    worker = msgspec.structs.replace(host("w", role="worker"), etcd=EtcdMembership((), "new"))
    spec = render(RECORD, [worker], worker, ARTIFACTS)
    names = [artifact.name for artifact in spec.artifacts]
    assert names == ["kubelet", "kubectl", "kubeadm", "crictl", "kube-proxy", "coredns", "pause", "flannel"]
    assert spec.etcd is None
    assert spec.vip_keys == ()


def test_a_control_plane_gets_everything() -> None:
    plane = msgspec.structs.replace(host("cp-1"), ignored_checks=("Mem", "NumCPU"))
    spec = render(RECORD, [plane], plane, ARTIFACTS)
    assert spec.artifacts == ARTIFACTS
    assert spec.vip_keys == RECORD.vip_keys
    assert spec.ignored_checks == ("NumCPU", "Mem")


def test_generations_grow_only_with_a_change() -> None:
    rendered = render(RECORD, [], host("cp-1"), ())
    first = next_spec(None, rendered)
    assert first is not None
    assert first.generation == 1
    assert next_spec(first, rendered) is None
    changed = next_spec(first, msgspec.structs.replace(rendered, stage="absent"))
    assert changed is not None
    assert changed.generation == 2
    forced = next_spec(first, rendered, force=True)
    assert forced is not None
    assert forced.generation == 2


@pytest.mark.parametrize(
    ("subnets", "index", "expected"),
    [
        (("10.244.0.0/16",), 255, ("10.244.255.0/24",)),
        (("10.244.0.0/16", "fd00::/56"), 2, ("10.244.2.0/24", "fd00:0:0:2::/64")),
        (("10.244.0.0/22",), 3, ("10.244.0.192/26",)),
        (("10.0.0.0/8",), 256, ("10.1.0.0/24",)),
    ],
)
def test_each_host_has_its_part_of_every_pod_subnet(
    subnets: tuple[str, ...], index: int, expected: tuple[str, ...]
) -> None:
    assert pod_cidrs(Cluster("v1.36.2", pod_subnets=subnets), index) == expected


def test_a_pod_subnet_that_is_used_up_says_so() -> None:
    with pytest.raises(InvalidInput, match="no /24 left"):
        pod_cidrs(Cluster("v1.36.2"), 256)


def test_a_pod_network_of_others_gets_no_subnets() -> None:
    assert pod_cidrs(Cluster("v1.36.2", pod_network="manifest"), 0) == ()


def test_the_index_of_a_removed_host_is_used_again() -> None:
    assert free_pod_index([]) == 0
    assert free_pod_index([host("a", index=0), host("c", index=2)]) == 1


PROGRAMS = tuple(Artifact("binary", name, "0", 1) for name in ("etcd", "kube-apiserver", "kube-scheduler"))


def test_a_host_runs_what_the_cluster_says_or_what_was_said_of_it() -> None:
    cluster = Cluster("v1.36.2", components={"etcd": ComponentSettings("systemd", {"quota-backend-bytes": "1"})})
    record = msgspec.structs.replace(RECORD, cluster=cluster)
    plane = msgspec.structs.replace(host("cp-1"), run_modes={"kube-apiserver": "docker"})
    assert run_modes(cluster, plane) == {
        "etcd": "systemd",
        "kube-apiserver": "docker",
        "kube-controller-manager": "static-pod",
        "kube-scheduler": "static-pod",
    }
    spec = render(record, [plane], plane, (*ARTIFACTS, *PROGRAMS))
    assert spec.cluster.component("kube-apiserver").run_mode == "docker"
    assert spec.cluster.component("etcd").extra_args == {"quota-backend-bytes": "1"}
    programs = {each.name for each in spec.artifacts if each.kind == "binary"}
    assert programs & {each.name for each in PROGRAMS} == {"etcd"}
    assert run_modes(cluster, host("w", role="worker")) == {}


def test_a_host_keeps_its_version_and_is_told_of_the_next() -> None:
    plane = msgspec.structs.replace(host("cp-1"), version="v1.35.6", moving=Moving("v1.36.2", "etcd"))
    spec = render(RECORD, [plane], plane, ARTIFACTS, ARTIFACTS[:3])
    assert spec.cluster.kubernetes_version == "v1.35.6"
    assert spec.upgrade == Upgrade("v1.36.2", ARTIFACTS[:3], "etcd", True)
    assert [spec.at(step).cluster.kubernetes_version for step in UPGRADE_STEPS] == [*["v1.36.2"] * 4, *["v1.35.6"] * 2]


@pytest.mark.parametrize(
    ("target", "etcd", "changes"), [("v1.36.3", "etcd", False), ("v1.36.3", "etcd:2", True), ("v1.37.0", "etcd", True)]
)
def test_whether_etcd_restarts(target: str, etcd: str, changes: bool) -> None:
    plane = msgspec.structs.replace(host("cp-1"), moving=Moving(target))
    new = tuple(msgspec.structs.replace(a, ref=etcd) if a.name == "etcd" else a for a in ARTIFACTS)
    spec = render(RECORD, [plane], plane, ARTIFACTS, new)
    assert spec.upgrade is not None
    assert spec.upgrade.etcd_changes is changes
