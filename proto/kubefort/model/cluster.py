"""The cluster as its operator describes it: cluster.yaml, and the part of it that every host is told."""

from __future__ import annotations

from typing import Literal

from kubefort.document import Document

Role = Literal["control-plane", "worker"]
RunMode = Literal["static-pod", "systemd", "docker"]
KeyAlgorithm = Literal["ECDSA-P256", "RSA-2048"]

CONTROL_PLANE: Role = "control-plane"
WORKER: Role = "worker"


class Taint(Document, frozen=True):
    """A Kubernetes taint."""

    key: str
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    value: str = ""


class HostEntry(Document, frozen=True):
    """A host that the operator expects. `name` is its host name in lower case."""

    name: str
    role: Role
    address: str = ""
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()


class Volume(Document, frozen=True):
    """A folder or file of the host, mounted into a component."""

    name: str
    host_path: str
    mount_path: str
    read_only: bool = True


class ComponentSettings(Document, frozen=True):
    """What an operator changes about one component. `extra_args`: flag without dashes → value."""

    run_mode: RunMode = "static-pod"
    extra_args: dict[str, str] = {}
    extra_volumes: tuple[Volume, ...] = ()
    patch: dict[str, object] = {}


class VirtualIP(Document, frozen=True):
    """The address that one healthy control-plane host holds. No interface: the one that leads to the other hosts."""

    address: str
    interface: str = ""
    vrid: int = 51
    interval_ms: int = 100
    transport: Literal["unicast", "multicast"] = "unicast"


class Cluster(Document, frozen=True):
    """A cluster's settings, complete: what `kfctl init` was given, with defaults filled in.

    kubernetes_version   like v1.36.2
    endpoint             host:port of the API for everybody outside the control plane; "" until it is known
    pod_network          routed: host routes of our own; manifest: `pod_network_manifests` are applied in order
    components           component's name → settings; a component that is missing has the defaults
    """

    kubernetes_version: str
    name: str = "kubernetes"
    domain: str = "cluster.local"
    endpoint: str = ""
    vip: VirtualIP | None = None
    pod_subnets: tuple[str, ...] = ("10.244.0.0/16",)
    service_subnets: tuple[str, ...] = ("10.96.0.0/12",)
    pod_network: Literal["routed", "manifest"] = "routed"
    pod_network_manifests: tuple[str, ...] = ()
    key_algorithm: KeyAlgorithm = "ECDSA-P256"
    encryption_at_rest: bool = False
    cert_sans: tuple[str, ...] = ()
    components: dict[str, ComponentSettings] = {}

    def component(self, name: str) -> ComponentSettings:
        """Settings of a component, defaults where none are given."""
        return self.components.get(name) or ComponentSettings()
