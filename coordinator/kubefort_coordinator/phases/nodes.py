"""Phases that make hosts nodes, and wait until they are what they shall be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec
from kubefort.model.cluster import CONTROL_PLANE

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.kubernetes.client import KubernetesClient
from kubefort_coordinator.kubernetes.marking import mark_node
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait, wait_for_all
from kubefort_coordinator.phases.controlplane import POLL_S
from kubefort_coordinator.records import HostRecord
from kubefort_coordinator.specs import node_of, reaches


@dataclass(frozen=True)
class RegisterNode(Phase):
    """A further control plane becomes a node through the others' API servers, before anything of it runs.

    kubelet shows a static pod only as the pod of a registered node, and looks again a minute later where it was not;
    the one of v1.20 refuses pods for good that ask for storage which it has not measured yet.
    """

    name: ClassVar[str] = "register-node"

    @property
    def title(self) -> str:
        return f"Register {self.host} as a node"

    async def run(self, coordinator: Coordinator) -> Outcome:
        coordinator.raise_stage(self.host, "etcd")
        node = await coordinator.kubernetes().get("Node", self.host)
        if node is None:
            return Wait(coordinator.unsettled(self.host) or f"the kubelet of {self.host} to register", POLL_S)
        if "ephemeral-storage" not in node.get("status", {}).get("capacity", {}):
            return Wait(f"the kubelet of {self.host} to measure its storage", POLL_S)
        return DONE


@dataclass(frozen=True)
class StartNodes(Phase):
    """Make hosts nodes, those with a control plane when their API server serves: their kubelet talks to that one."""

    hosts: tuple[str, ...] = ()
    name: ClassVar[str] = "start-nodes"

    @property
    def title(self) -> str:
        return f"Start the kubelet of {', '.join(self.hosts)}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        waits = []
        for name in self.hosts:
            if reaches(coordinator.records.need_host(name), "control-plane"):
                ready, why = await coordinator.kubernetes(name).ready()
                if not ready:
                    waits.append(f"the API server of {name} to be ready ({why or coordinator.unsettled(name)})")
                    continue
            coordinator.raise_stage(name, "node")
        return wait_for_all(waits, POLL_S)


@dataclass(frozen=True)
class RegisterNodes(Phase):
    """Labels, taints and pod networks of nodes; done when each is Ready and its host as its spec wants it."""

    hosts: tuple[str, ...] = ()
    name: ClassVar[str] = "register-nodes"

    @property
    def title(self) -> str:
        return f"Wait for {', '.join(self.hosts)} to be Ready"

    async def run(self, coordinator: Coordinator) -> Outcome:
        kubernetes = coordinator.kubernetes()
        waits = []
        for name in self.hosts:
            host = coordinator.records.need_host(name)
            wait = await self._register(coordinator, kubernetes, host)
            if wait:
                waits.append(wait)
            elif not host.joined:
                coordinator.update_host(name, joined=True)
                coordinator.event(name, "NodeReady", f"{name} is a Ready node of the cluster")
        return wait_for_all(waits, POLL_S * 2)

    async def _register(self, coordinator: Coordinator, kubernetes: KubernetesClient, host: HostRecord) -> str:
        cluster = coordinator.records.need_cluster().cluster
        current = await kubernetes.get("Node", host.name)
        if current is None:
            return coordinator.unsettled(host.name) or f"the kubelet of {host.name} to register"
        patch = mark_node(current, node_of(cluster, host), cluster)
        if patch:
            await kubernetes.patch_node(host.name, patch)
        ready, why = await kubernetes.node_ready(host.name)
        if not ready:
            return f"node {host.name} to be Ready ({why})"
        if host.role == CONTROL_PLANE and reaches(host, "control-plane"):
            serving, why = await coordinator.kubernetes(host.name).ready()
            if not serving:
                return f"the API server of {host.name} to be ready ({why})"
        return coordinator.unsettled(host.name)


@dataclass(frozen=True)
class CompleteBootstrap(Phase):
    """From here on, hosts join one by one."""

    name: ClassVar[str] = "complete-bootstrap"

    @property
    def title(self) -> str:
        return "Record that the cluster is complete"

    async def run(self, coordinator: Coordinator) -> Outcome:
        record = coordinator.records.need_cluster()
        coordinator.records.put_cluster(msgspec.structs.replace(record, bootstrapped=True))
        coordinator.publish()
        return DONE
