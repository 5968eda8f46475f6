"""An etcd and an API server that remember what the coordinator asked of them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from kubefort import files
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.etcd.client import Member, MemberStatus, NotInSync
from kubefort_coordinator.records import HostRecord

ARTIFACTS = {
    "binary": ("kubelet", "kubectl", "kubeadm", "crictl", "etcd", "kube-apiserver", "kube-scheduler"),
    "image": ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "etcd", "coredns", "pause"),
}


def bundle(folder: Path, version: str = "v1.36.2") -> Path:
    """A bundle of tiny files."""
    lines = []
    for kind, names in ARTIFACTS.items():
        for name in names:
            content = f"{name} {version}".encode() * 50
            files.write(folder / kind / name, content)
            digest = hashlib.sha256(content).hexdigest()
            ref = f"registry.k8s.io/{name}:{version}" if kind == "image" else ""
            line = {"kind": kind, "name": name, "file": f"{kind}/{name}", "sha256": digest, "size": len(content)}
            lines.append({**line, "ref": ref} if ref else line)
    manifest = {"kubernetesVersion": version, "etcdVersion": "3.6.13", "artifacts": lines}
    files.write(folder / "manifest.json", json.dumps(manifest))
    return folder


class FakeEtcd:
    """One cluster; a learner is in sync when it was asked for the second time."""

    def __init__(self) -> None:
        self.members_: dict[int, Member] = {}
        self.sick: set[str] = set()
        self.tries: dict[int, int] = {}
        self.log: list[str] = []
        self.leader = 1

    def first(self, name: str, url: str) -> None:
        self.members_.setdefault(1, Member(1, name, (url,), (url.replace("2380", "2379"),), False))

    async def __aenter__(self) -> FakeEtcd:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def members(self, linearizable: bool = True) -> tuple[Member, ...]:
        return tuple(self.members_.values())

    async def add_learner(self, peer_urls: Sequence[str]) -> Member:
        id = max(self.members_) + 1
        self.log.append(f"add {peer_urls[0]}")
        self.members_[id] = Member(id, f"member-{id}", tuple(peer_urls), (peer_urls[0].replace("2380", "2379"),), True)
        return self.members_[id]

    async def promote(self, id: int) -> None:
        self.tries[id] = self.tries.get(id, 0) + 1
        if self.tries[id] < 2:
            raise NotInSync("not yet")
        self.log.append(f"promote {self.members_[id].peer_urls[0]}")
        member = self.members_[id]
        self.members_[id] = Member(id, member.name, member.peer_urls, member.client_urls, False)

    async def remove(self, id: int) -> None:
        self.log.append(f"remove {self.members_[id].peer_urls[0]}")
        del self.members_[id]

    async def status(self, endpoint: str) -> MemberStatus:
        errors = ("corrupt",) if endpoint in self.sick else ()
        return MemberStatus(endpoint, 1, "3.6.13", 1, self.leader, 1, 1, False, errors)

    async def move_leader(self, target_id: int) -> None:
        self.log.append(f"{self.members_[target_id].peer_urls[0]} leads")
        self.leader = target_id

    async def snapshot(self, endpoint: str) -> AsyncIterator[bytes]:
        data = b"etcd" * 256
        yield data[:700]
        yield data[700:] + hashlib.sha256(data).digest()


class FakeKubernetes:
    """Nodes are there and Ready as soon as somebody looks, and run what their specs say.

    pods        as the API lists them; one is gone when it was evicted
    budgets     pod's name → why it may not be evicted
    """

    def __init__(self) -> None:
        self.objects: list[dict[str, Any]] = []
        self.nodes: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.pods: list[dict[str, Any]] = []
        self.budgets: dict[str, str] = {}
        self.log: list[str] = []
        self.hosts: tuple[str, ...] = ()
        self.coordinators: list[Coordinator] = []

    def of(self, *hosts: str) -> FakeKubernetes:
        """The same, as asked on these hosts."""
        one = copy.copy(self)
        one.hosts = hosts
        return one

    async def version(self) -> str:
        return self.coordinators[-1].spec(self.hosts[0]).at("api-server").cluster.kubernetes_version

    async def list(
        self, kind: str, namespace: str = "", api_version: str = "v1", labels: str = "", fields: str = ""
    ) -> list[dict[str, Any]]:
        return [pod for pod in self.pods if fields == f"spec.nodeName={pod['spec']['nodeName']}"]

    async def evict(self, namespace: str, name: str, api_version: str = "policy/v1") -> str:
        if name not in self.budgets:
            self.log.append(f"evict {name}")
            self.pods[:] = [pod for pod in self.pods if pod["metadata"]["name"] != name]
        return self.budgets.get(name, "")

    async def delete(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> bool:
        self.log.append(f"delete {name}")
        self.pods[:] = [pod for pod in self.pods if pod["metadata"]["name"] != name]
        return True

    def _component(self, pod: str) -> dict[str, Any] | None:
        spec = next((s for s in map(self.coordinators[-1].spec, self.nodes) if pod.endswith(f"-{s.node.name}")), None)
        if spec is None:
            return None
        name = pod.removesuffix(f"-{spec.node.name}")
        release = spec.at("etcd" if name == "etcd" else "api-server" if name == "kube-apiserver" else "controllers")
        image = next(artifact.ref for artifact in release.artifacts if artifact.name == name)
        container = f"{image} by {spec.at('node').cluster.kubernetes_version}, {spec.upgraded('own-etcd')}"
        status = {
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"containerID": container}],
        }
        return {"spec": {"containers": [{"image": image}]}, "status": status}

    async def ready(self) -> tuple[bool, str]:
        return True, ""

    async def apply(self, wanted: dict[str, Any]) -> dict[str, Any]:
        self.objects.append(wanted)
        return wanted

    async def get(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> dict[str, Any] | None:
        if kind == "Pod":
            return self._component(name)
        if kind != "Node":
            return None
        node = self.nodes.setdefault(name, {"metadata": {"name": name}, "spec": {}})
        version = self.coordinators[-1].spec(name).at("node").cluster.kubernetes_version
        node["status"] = {
            "nodeInfo": {"kubeletVersion": version},
            "capacity": {"ephemeral-storage": "40Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        return node

    async def create_if_missing(self, wanted: dict[str, Any]) -> bool:
        self.objects.append(wanted)
        return True

    async def patch_node(self, name: str, patch: dict[str, Any]) -> dict[str, Any]:
        node = self.nodes[name]
        node["metadata"] = {**node["metadata"], **patch.get("metadata", {})}
        node["spec"] = {**node["spec"], **patch.get("spec", {})}
        if "unschedulable" in patch.get("spec", {}):
            self.log.append(f"{'cordon' if patch['spec']['unschedulable'] else 'uncordon'} {name}")
        return node

    async def node_ready(self, name: str) -> tuple[bool, str]:
        return True, ""

    async def delete_node(self, name: str) -> bool:
        self.deleted.append(name)
        return self.nodes.pop(name, None) is not None


class Fakes:
    """Both, put into a coordinator; they outlive its restarts."""

    def __init__(self) -> None:
        self.etcd = FakeEtcd()
        self.kubernetes = FakeKubernetes()

    def install(self, coordinator: Coordinator) -> None:
        def etcd(*hosts: HostRecord) -> FakeEtcd:
            first = next(each for each in coordinator.records.hosts() if each.etcd and each.etcd.initial_cluster)
            assert first.etcd is not None
            self.etcd.first(*first.etcd.initial_cluster[0])
            return self.etcd

        coordinator.etcd = etcd  # type: ignore[method-assign,assignment]
        self.kubernetes.coordinators.append(coordinator)
        coordinator.kubernetes = self.kubernetes.of  # type: ignore[method-assign,assignment]
