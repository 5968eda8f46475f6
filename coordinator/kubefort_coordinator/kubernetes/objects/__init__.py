"""The objects of a cluster, as kubeadm makes them for each minor version. Pure: settings in, objects out."""

from __future__ import annotations

from collections.abc import Sequence

from kubefort.errors import InvalidInput
from kubefort.kubeadm.versions import parse, rules
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Artifact, Node

from kubefort_coordinator.kubernetes.objects.cluster_info import cluster_info
from kubefort_coordinator.kubernetes.objects.configuration import kubeadm_config
from kubefort_coordinator.kubernetes.objects.coredns import coredns
from kubefort_coordinator.kubernetes.objects.kube_proxy import kube_proxy
from kubefort_coordinator.kubernetes.objects.kubelet import kubelet_config
from kubefort_coordinator.kubernetes.objects.rbac import rbac
from kubefort_coordinator.kubernetes.objects.shapes import Object


def cluster_objects(
    cluster: Cluster,
    artifacts: Sequence[Artifact],
    control_planes: Sequence[Node],
    authority_pem: bytes,
    cgroup_driver: str = "systemd",
    cgroup_version: int = 2,
) -> list[Object]:
    """Roles, bindings and ConfigMaps, in the order to apply them (`install` does).

    `control_planes` are those that exist by now: up to 1.21 kubeadm-config names them, so apply again after a join.
    `cgroup_driver` ("systemd", "cgroupfs") and `cgroup_version` are what a host joined by stock kubeadm is told.
    Raises InvalidInput where the cluster has no endpoint, or the bundle lacks an image.
    """
    _need_endpoint(cluster)
    table = rules(parse(cluster.kubernetes_version))
    return [
        *rbac(table),
        *kubeadm_config(cluster, table, artifacts, control_planes),
        *kubelet_config(cluster, table, cgroup_driver, cgroup_version),
        *cluster_info(cluster, authority_pem),
    ]


def addon_objects(cluster: Cluster, artifacts: Sequence[Artifact]) -> list[Object]:
    """kube-proxy and CoreDNS, in the order to apply them (`install` does). Raises InvalidInput as above."""
    _need_endpoint(cluster)
    table = rules(parse(cluster.kubernetes_version))
    return [*kube_proxy(cluster, table, artifacts), *coredns(cluster, table, artifacts)]


def _need_endpoint(cluster: Cluster) -> None:
    if not cluster.endpoint:
        raise InvalidInput("the cluster has no endpoint yet", "set endpoint in cluster.yaml, as host:port")
