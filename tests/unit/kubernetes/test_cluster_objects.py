"""Objects for every minor in the table, and what settings change in them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from kubefort.errors import InvalidInput
from kubefort.kubeadm.versions import NEWEST, OLDEST
from kubefort.model.cluster import Cluster, ComponentSettings, Volume
from kubefort.model.spec import Artifact, Node
from kubefort_coordinator.kubernetes.objects import addon_objects, cluster_objects
from kubefort_coordinator.kubernetes.paths import KNOWN

MINORS = range(OLDEST, NEWEST + 2)
IMAGES = tuple(
    Artifact("image", name, "", 0, f"registry.example/k8s/{name}:v1")
    for name in ("kube-apiserver", "kube-proxy", "coredns")
)
NODES = (Node("m1", "10.0.0.1", "control-plane"), Node("m2", "10.0.0.2", "control-plane"))


def made(cluster: Cluster, **more: Any) -> dict[tuple[str, str], dict[str, Any]]:
    objects = [*cluster_objects(cluster, IMAGES, NODES, b"PEM", **more), *addon_objects(cluster, IMAGES)]
    return {(o["kind"], o["metadata"]["name"]): o for o in objects}


def a_cluster(minor: int = 36, **more: Any) -> Cluster:
    return Cluster(f"v1.{minor}.0", endpoint="10.0.0.9:6443", **more)


def configuration(cluster: Cluster) -> dict[str, Any]:
    text = made(cluster)[("ConfigMap", "kubeadm-config")]["data"]["ClusterConfiguration"]
    return dict(yaml.safe_load(text))


@pytest.mark.parametrize("minor", MINORS)
def test_every_minor_gives_distinct_known_objects(minor: int) -> None:
    cluster = a_cluster(minor)
    objects = [*cluster_objects(cluster, IMAGES, NODES, b"PEM"), *addon_objects(cluster, IMAGES)]
    names = [(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects]
    assert len(set(names)) == len(names)
    for o in objects:
        assert KNOWN[(o["apiVersion"], o["kind"])].namespaced == ("namespace" in o["metadata"])
        assert o.get("roleRef", {}).get("name", "x")
    again = [*cluster_objects(cluster, IMAGES, NODES, b"PEM"), *addon_objects(cluster, IMAGES)]
    assert again == objects


@pytest.mark.parametrize(
    ("minor", "api", "kubelet_config", "status"),
    [
        (20, "kubeadm.k8s.io/v1beta2", "kubelet-config-1.20", True),
        (22, "kubeadm.k8s.io/v1beta3", "kubelet-config-1.22", False),
        (23, "kubeadm.k8s.io/v1beta3", "kubelet-config-1.23", False),
        (24, "kubeadm.k8s.io/v1beta3", "kubelet-config", False),
        (31, "kubeadm.k8s.io/v1beta4", "kubelet-config", False),
        (38, "kubeadm.k8s.io/v1beta4", "kubelet-config", False),
    ],
)
def test_what_kubeadm_reads_by_minor(minor: int, api: str, kubelet_config: str, status: bool) -> None:
    objects = made(a_cluster(minor))
    data = objects[("ConfigMap", "kubeadm-config")]["data"]
    assert yaml.safe_load(data["ClusterConfiguration"])["apiVersion"] == api
    assert ("ConfigMap", kubelet_config) in objects
    assert ("Role", f"kubeadm:{kubelet_config}") in objects
    assert ("ClusterStatus" in data) == status
    if status:
        endpoints = yaml.safe_load(data["ClusterStatus"])["apiEndpoints"]
        assert endpoints["m2"] == {"advertiseAddress": "10.0.0.2", "bindPort": 6443}


@pytest.mark.parametrize(("minor", "present"), [(28, False), (29, True), (36, True)])
def test_administrators_group_is_bound_where_its_certificates_name_it(minor: int, present: bool) -> None:
    assert (("ClusterRoleBinding", "kubeadm:cluster-admins") in made(a_cluster(minor))) == present


def test_extra_arguments_take_the_form_of_the_api_version() -> None:
    settings = ComponentSettings(
        extra_args={"v": "4"}, extra_volumes=(Volume("audit", "/var/log/a", "/var/log/b", read_only=False),)
    )
    components = {"kube-apiserver": settings, "etcd": ComponentSettings(extra_args={"quota-backend-bytes": "1"})}
    new = configuration(a_cluster(36, components=components, cert_sans=("api.example.org",)))
    assert new["apiServer"]["extraArgs"] == [{"name": "v", "value": "4"}]
    assert new["apiServer"]["certSANs"] == ["api.example.org"]
    assert new["apiServer"]["extraVolumes"][0] == {
        "name": "audit",
        "hostPath": "/var/log/a",
        "mountPath": "/var/log/b",
        "readOnly": False,
    }
    assert new["etcd"]["local"]["extraArgs"] == [{"name": "quota-backend-bytes", "value": "1"}]
    old = configuration(a_cluster(24, components=components))
    assert old["apiServer"]["extraArgs"] == {"authorization-mode": "Node,RBAC", "v": "4"}


def test_images_come_from_the_bundle() -> None:
    objects = made(a_cluster())
    proxy = objects[("DaemonSet", "kube-proxy")]["spec"]["template"]["spec"]["containers"][0]
    assert proxy["image"] == "registry.example/k8s/kube-proxy:v1"
    assert configuration(a_cluster())["imageRepository"] == "registry.example/k8s"


def test_a_missing_image_or_endpoint_is_named() -> None:
    with pytest.raises(InvalidInput, match="no image coredns"):
        addon_objects(a_cluster(), IMAGES[:2])
    with pytest.raises(InvalidInput, match="no endpoint"):
        cluster_objects(Cluster("v1.36.2"), IMAGES, NODES, b"PEM")


def test_dual_stack() -> None:
    cluster = a_cluster(
        pod_subnets=("fd00:1::/56", "10.244.0.0/16"),
        service_subnets=("fd00:2::/112", "10.96.0.0/16"),
        domain="k.example",
    )
    objects = made(cluster)
    proxy = yaml.safe_load(objects[("ConfigMap", "kube-proxy")]["data"]["config.conf"])
    assert (proxy["bindAddress"], proxy["clusterCIDR"]) == ("::", "fd00:1::/56,10.244.0.0/16")
    assert objects[("Service", "kube-dns")]["spec"]["clusterIP"] == "fd00:2::a"
    kubelet = yaml.safe_load(objects[("ConfigMap", "kubelet-config")]["data"]["kubelet"])
    assert (kubelet["clusterDNS"], kubelet["clusterDomain"]) == (["fd00:2::a"], "k.example")
    assert "kubernetes k.example in-addr.arpa" in objects[("ConfigMap", "coredns")]["data"]["Corefile"]


def test_kubelets_of_hosts_with_the_first_cgroup_version() -> None:
    def kubelet(minor: int, version: int) -> dict[str, Any]:
        objects = made(a_cluster(minor), cgroup_driver="cgroupfs", cgroup_version=version)
        return dict(yaml.safe_load(objects[("ConfigMap", "kubelet-config")]["data"]["kubelet"]))

    assert kubelet(36, 1)["failCgroupV1"] is False
    assert kubelet(36, 1)["cgroupDriver"] == "cgroupfs"
    assert "failCgroupV1" not in kubelet(36, 2)
    assert "failCgroupV1" not in kubelet(28, 1)


def test_a_patch_reaches_the_proxys_configuration() -> None:
    patch: dict[str, object] = {"mode": "nftables", "conntrack": {"min": None, "maxPerCore": 1000}}
    objects = made(a_cluster(components={"kube-proxy": ComponentSettings(patch=patch)}))
    proxy = yaml.safe_load(objects[("ConfigMap", "kube-proxy")]["data"]["config.conf"])
    assert proxy["mode"] == "nftables"
    assert proxy["conntrack"] == {"maxPerCore": 1000, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"}


def test_cluster_info_names_endpoint_and_authority() -> None:
    text = made(a_cluster())[("ConfigMap", "cluster-info")]["data"]["kubeconfig"]
    cluster = yaml.safe_load(text)["clusters"][0]["cluster"]
    assert cluster["server"] == "https://10.0.0.9:6443"
    assert base64.b64decode(cluster["certificate-authority-data"]) == b"PEM"
