"""The ConfigMap kubeadm-config: what `kubeadm token create --print-join-command`, join and upgrade read."""

from __future__ import annotations

from collections.abc import Sequence

from kubefort.kubeadm.addresses import API_PORT
from kubefort.kubeadm.versions import Rules
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Artifact, Node
from kubefort.paths import ETCD_DATA, PKI

from kubefort_coordinator.kubernetes.objects.shapes import (
    BOOTSTRAPPERS,
    NODES,
    SYSTEM,
    Object,
    config_map,
    group,
    image,
    readable_config_map,
    to_yaml,
)

_V1BETA2 = "kubeadm.k8s.io/v1beta2"
_V1BETA4 = "kubeadm.k8s.io/v1beta4"
_COMPONENTS = {
    "apiServer": "kube-apiserver",
    "controllerManager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}


def kubeadm_config(
    cluster: Cluster, rules: Rules, artifacts: Sequence[Artifact], control_planes: Sequence[Node]
) -> list[Object]:
    """kubeadm-config, and who may read it."""
    data = {"ClusterConfiguration": to_yaml(cluster_configuration(cluster, rules, artifacts))}
    if rules.config_api == _V1BETA2:
        data["ClusterStatus"] = to_yaml(_cluster_status(rules, control_planes))
    readers = [group(BOOTSTRAPPERS), group(NODES)]
    return [
        config_map("kubeadm-config", SYSTEM, data),
        *readable_config_map("kubeadm:nodes-kubeadm-config", "kubeadm-config", readers, SYSTEM),
    ]


def cluster_configuration(cluster: Cluster, rules: Rules, artifacts: Sequence[Artifact]) -> Object:
    """kubeadm's ClusterConfiguration in the version of its API that belongs to the minor."""
    networking = {"dnsDomain": cluster.domain, "serviceSubnet": ",".join(cluster.service_subnets)}
    if cluster.pod_subnets:
        networking["podSubnet"] = ",".join(cluster.pod_subnets)
    document: Object = {
        "apiVersion": rules.config_api,
        "kind": "ClusterConfiguration",
        "certificatesDir": str(PKI),
        "clusterName": cluster.name,
        "controlPlaneEndpoint": cluster.endpoint,
        "dns": {"type": "CoreDNS"} if rules.config_api == _V1BETA2 else {},
        "etcd": {"local": {"dataDir": str(ETCD_DATA), **_settings(cluster, "etcd", rules, volumes=False)}},
        "imageRepository": image(artifacts, "kube-apiserver").rpartition("/")[0],
        "kubernetesVersion": cluster.kubernetes_version,
        "networking": networking,
        **{key: _settings(cluster, component, rules) for key, component in _COMPONENTS.items()},
    }
    api_server = document["apiServer"]
    if cluster.cert_sans:
        api_server["certSANs"] = list(cluster.cert_sans)
    if rules.config_api == _V1BETA4:
        document["encryptionAlgorithm"] = cluster.key_algorithm
        document["caCertificateValidityPeriod"] = "87600h0m0s"
        document["certificateValidityPeriod"] = "8760h0m0s"
        document["proxy"] = {}
    else:
        api_server["timeoutForControlPlane"] = "4m0s"
        api_server["extraArgs"] = {"authorization-mode": "Node,RBAC"} | api_server.get("extraArgs", {})
    return document


def _settings(cluster: Cluster, component: str, rules: Rules, volumes: bool = True) -> Object:
    settings = cluster.component(component)
    document: Object = {}
    if settings.extra_args:
        document["extraArgs"] = (
            [{"name": name, "value": value} for name, value in sorted(settings.extra_args.items())]
            if rules.config_api == _V1BETA4
            else dict(settings.extra_args)
        )
    if volumes and settings.extra_volumes:
        document["extraVolumes"] = [
            {"name": v.name, "hostPath": v.host_path, "mountPath": v.mount_path, "readOnly": v.read_only}
            for v in settings.extra_volumes
        ]
    return document


def _cluster_status(rules: Rules, control_planes: Sequence[Node]) -> Object:
    """Up to 1.21 kubeadm keeps every API server's address here."""
    return {
        "apiVersion": rules.config_api,
        "kind": "ClusterStatus",
        "apiEndpoints": {
            node.name: {"advertiseAddress": node.address, "bindPort": API_PORT} for node in control_planes
        },
    }
