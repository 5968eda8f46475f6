"""NodeSpec: the desired state of one host, as the coordinator sends it and the agent keeps it."""

from __future__ import annotations

from typing import Literal

import msgspec

from kubefort.document import Document
from kubefort.model.cluster import CONTROL_PLANE, Cluster, Role, Taint

Stage = Literal["absent", "enrolled", "prepared", "etcd", "control-plane", "node"]
"""How far a host shall be. Each includes the ones before it:

absent         nothing of ours: reset
enrolled       preflight checks are run and reported, nothing is changed
prepared       swap, modules, sysctls, runtime, artifacts
etcd           (control plane) certificates and kubelet; the etcd member once the spec has its membership
control-plane  (control plane) API server, controller manager, scheduler
node           (control plane) kubelet talks to its own API server; (worker) kubelet; routes; virtual IP
"""

VipAuthMode = Literal["receive-only", "permissive", "enforce"]

UpgradeStep = Literal["artifacts", "api-server", "controllers", "etcd", "node", "own-etcd"]
"""How much of another version shall be on a host. Each includes the ones before it:

artifacts    binaries and images lie ready, nothing is started from them
api-server   API server, and the certificates of the control plane
controllers  controller manager, scheduler
etcd         the member
node         container runtime's settings, kubelet, the programs that people type
own-etcd     the API server, which knew all etcd members while its own restarted, knows only its own again
"""

UPGRADE_STEPS: tuple[UpgradeStep, ...] = ("artifacts", "api-server", "controllers", "etcd", "node", "own-etcd")

STAGES: tuple[Stage, ...] = ("absent", "enrolled", "prepared", "etcd", "control-plane", "node")


class Artifact(Document, frozen=True):
    """A file of a bundle. `ref` is an image's full reference, "" for a binary; `size` in bytes."""

    kind: Literal["binary", "image"]
    name: str
    sha256: str
    size: int
    ref: str = ""


class Node(Document, frozen=True):
    """One host as a Kubernetes node; pod_cidrs are empty where something else than us gives pods addresses."""

    name: str
    address: str
    role: Role
    pod_cidrs: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()


class EtcdMembership(Document, frozen=True):
    """What etcd's first start needs: names and peer URLs, and whether that cluster is new."""

    initial_cluster: tuple[tuple[str, str], ...]
    initial_cluster_state: Literal["new", "existing"]


class VipKey(Document, frozen=True):
    """A key for the authentication of adverts: its id, and the name of the secret that holds it."""

    id: int
    secret: str


def minor_of(version: str) -> str:
    """v1.36 of v1.36.2."""
    return ".".join(version.split(".")[:2])


class Upgrade(Document, frozen=True):
    """Another version on its way onto a host, and how far it shall be there by now.

    etcd_changes   whether etcd is restarted: its image is another one, or its pod is written in another way
    """

    version: str
    artifacts: tuple[Artifact, ...]
    step: UpgradeStep
    etcd_changes: bool = False


class NodeSpec(Document, frozen=True):
    """Desired state of the host `node`. `peers`: all other members. Generations only grow.

    vip_keys      every key that adverts may carry; `vip_send_key` the id of the one that ours do (0: the last)
    vip_auth      as in kubefort.vipfile.VipAuth; off where there are no keys
    vip_holder    the host that shall take the virtual IP now; "": whoever has it keeps it
    upgrade       the version that shall follow the cluster's and `artifacts`; None: none
    """

    generation: int
    cluster: Cluster
    node: Node
    stage: Stage
    peers: tuple[Node, ...] = ()
    etcd: EtcdMembership | None = None
    artifacts: tuple[Artifact, ...] = ()
    ignored_checks: tuple[str, ...] = ()
    vip_keys: tuple[VipKey, ...] = ()
    vip_send_key: int = 0
    vip_auth: VipAuthMode = "enforce"
    vip_holder: str = ""
    paused_until: float = 0.0
    upgrade: Upgrade | None = None

    def reaches(self, stage: Stage) -> bool:
        """Whether the host shall be at least at `stage`."""
        return STAGES.index(self.stage) >= STAGES.index(stage)

    def upgraded(self, step: UpgradeStep) -> bool:
        """Whether what belongs to `step` shall be there in the new version."""
        return self.upgrade is not None and UPGRADE_STEPS.index(self.upgrade.step) >= UPGRADE_STEPS.index(step)

    def at(self, step: UpgradeStep) -> NodeSpec:
        """The spec with the version and artifacts in which what belongs to `step` shall be."""
        if self.upgrade is None or not self.upgraded(step):
            return self
        cluster = msgspec.structs.replace(self.cluster, kubernetes_version=self.upgrade.version)
        return msgspec.structs.replace(self, cluster=cluster, artifacts=self.upgrade.artifacts)

    @property
    def is_control_plane(self) -> bool:
        return self.node.role == CONTROL_PLANE

    def control_planes(self) -> tuple[Node, ...]:
        """All control-plane nodes, this one among them, by name."""
        return tuple(sorted((n for n in (self.node, *self.peers) if n.role == CONTROL_PLANE), key=lambda n: n.name))
