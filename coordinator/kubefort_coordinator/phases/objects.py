"""Phases that write objects into the Kubernetes API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kubefort.manifests import objects

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.kubernetes.install import install
from kubefort_coordinator.kubernetes.objects import addon_objects, cluster_objects
from kubefort_coordinator.phases import DONE, Outcome, Phase
from kubefort_coordinator.specs import node_of


@dataclass(frozen=True)
class ApplyObjects(Phase):
    """Roles, bindings and ConfigMaps as kubeadm's upload phases make them."""

    name: ClassVar[str] = "apply-objects"

    @property
    def title(self) -> str:
        return "Write roles and settings into the cluster"

    async def run(self, coordinator: Coordinator) -> Outcome:
        cluster = coordinator.records.need_cluster().cluster
        control_planes = coordinator.control_planes()
        version = control_planes[0].facts.cgroup_version or 2
        wanted = cluster_objects(
            cluster,
            coordinator.artifacts(),
            [node_of(cluster, host) for host in control_planes],
            coordinator.pki.cluster("kubernetes").certificate.encode(),
            "systemd" if version == 2 else "cgroupfs",
            version,
        )
        await install(coordinator.kubernetes(), wanted)
        return DONE


@dataclass(frozen=True)
class ApplyPodNetwork(Phase):
    """A pod network that others made, applied in the order of its files."""

    manifests: tuple[str, ...] = ()
    name: ClassVar[str] = "apply-pod-network"

    @property
    def title(self) -> str:
        return "Install the pod network of podNetworkManifests"

    async def run(self, coordinator: Coordinator) -> Outcome:
        for number, content in enumerate(self.manifests):
            await install(coordinator.kubernetes(), objects(content, f"podNetworkManifests[{number}]"))
        return DONE


@dataclass(frozen=True)
class ApplyAddons(Phase):
    """kube-proxy and CoreDNS."""

    name: ClassVar[str] = "apply-addons"

    @property
    def title(self) -> str:
        return "Install kube-proxy and CoreDNS"

    async def run(self, coordinator: Coordinator) -> Outcome:
        wanted = addon_objects(coordinator.records.need_cluster().cluster, coordinator.artifacts())
        await install(coordinator.kubernetes(), wanted)
        return DONE
