from __future__ import annotations

from typing import Any

import pytest
import yaml
from kubefort.model.cluster import ComponentSettings
from kubefort_agent.components import COMPONENTS, component
from kubefort_agent.resources import StaticPod
from kubefort_agent.runmodes.static_pod import READ_AT_START, resources

from tests.unit.components.specs import make_context


def pod(name: str, version: str = "v1.36.2", **cluster: Any) -> dict[str, Any]:
    context = make_context(version, **cluster)
    (made,) = resources(component(name, context), context)
    assert isinstance(made, StaticPod)
    assert made.name == name
    document = yaml.safe_load(made.manifest)
    assert isinstance(document, dict)
    return document


def container(name: str, version: str = "v1.36.2", **cluster: Any) -> dict[str, Any]:
    (only,) = pod(name, version, **cluster)["spec"]["containers"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize("version", ["v1.20.2", "v1.28.0", "v1.36.2", "v1.38.0"])
def test_the_pod(name: str, version: str) -> None:
    document = pod(name, version)
    assert document["metadata"]["labels"] == {"component": name, "tier": "control-plane"}
    assert document["metadata"]["namespace"] == "kube-system"
    assert document["spec"]["hostNetwork"] is True
    assert document["spec"]["priorityClassName"] == "system-node-critical"
    made = container(name, version)
    assert made["command"][0] == name
    assert made["image"] == f"registry.k8s.io/{name}:tag"
    volumes = {volume["name"] for volume in document["spec"]["volumes"]}
    assert {mount["name"] for mount in made["volumeMounts"]} == volumes


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_same_input_makes_the_same_bytes(name: str) -> None:
    first, second = (resources(component(name, c), c) for c in (make_context(), make_context()))
    assert first == second


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize("version", ["v1.33.0", "v1.34.0"])
def test_probes_name_their_port_since_1_34(name: str, version: str) -> None:
    made = container(name, version)
    port = made["livenessProbe"]["httpGet"]["port"]
    if version == "v1.33.0":
        assert "ports" not in made
        assert isinstance(port, int)
    else:
        assert [p["name"] for p in made["ports"]] == [port]
        assert made["startupProbe"]["httpGet"]["port"] == port


def test_priority_and_seccomp_by_version() -> None:
    old, middle, new = (pod("etcd", version)["spec"] for version in ("v1.21.0", "v1.22.0", "v1.27.0"))
    assert "securityContext" not in old
    assert middle["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert "priority" not in middle
    assert new["priority"] == 2_000_001_000


@pytest.mark.parametrize(
    ("name", "version", "readiness"),
    [
        ("kube-apiserver", "v1.20.2", "/readyz"),
        ("kube-controller-manager", "v1.36.2", None),
        ("kube-scheduler", "v1.31.0", None),
        ("kube-scheduler", "v1.32.0", "/readyz"),
        ("etcd", "v1.30.0", None),
        ("etcd", "v1.31.0", "/readyz"),
    ],
)
def test_readiness(name: str, version: str, readiness: str | None) -> None:
    made = container(name, version)
    assert made.get("readinessProbe", {}).get("httpGet", {}).get("path") == readiness


def test_times_of_the_probes() -> None:
    made = container("kube-apiserver")
    live, ready, start = (made[f"{kind}Probe"] for kind in ("liveness", "readiness", "startup"))
    assert (live["failureThreshold"], live["initialDelaySeconds"], live["periodSeconds"]) == (8, 10, 10)
    assert start["failureThreshold"] * start["periodSeconds"] == 240
    assert (start["periodSeconds"], "initialDelaySeconds" in start) == (1, False)
    assert (ready["failureThreshold"], ready["periodSeconds"]) == (3, 1)
    assert "initialDelaySeconds" not in ready
    assert {probe["timeoutSeconds"] for probe in (live, ready, start)} == {15}


def test_annotations_that_tools_read() -> None:
    prefix = "kubeadm.kubernetes.io/"
    assert pod("etcd")["metadata"]["annotations"] == {f"{prefix}etcd.advertise-client-urls": "https://10.30.0.11:2379"}
    assert pod("kube-apiserver")["metadata"]["annotations"] == {
        f"{prefix}kube-apiserver.advertise-address.endpoint": "10.30.0.11:6443"
    }


def test_a_patch_reaches_into_the_container() -> None:
    patch = {
        "metadata": {"labels": {"team": "ops"}},
        "spec": {"containers": [{"name": "kube-scheduler", "resources": {"requests": {"cpu": "1"}}}]},
    }
    document = pod("kube-scheduler", components={"kube-scheduler": ComponentSettings(patch=patch)})
    assert document["metadata"]["labels"] == {"component": "kube-scheduler", "tier": "control-plane", "team": "ops"}
    (made,) = document["spec"]["containers"]
    assert made["resources"] == {"requests": {"cpu": "1"}}
    assert made["command"][0] == "kube-scheduler"


def test_who_does_not_read_its_kubeconfig_again_is_stamped_with_it() -> None:
    stamped = {name for name in COMPONENTS if READ_AT_START in pod(name)["metadata"].get("annotations", {})}
    assert stamped == {"kube-controller-manager", "kube-scheduler"}
