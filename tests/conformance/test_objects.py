"""Our objects and the real kubeadm's, compared by meaning. What differs on purpose is DELIBERATE, with its reason."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubefort_coordinator.kubernetes.objects import addon_objects, cluster_objects

from tests.conformance import kubeadm_dry_run, sample

Object = dict[str, Any]

_UNORDERED = {"subjects", "ports", "tolerations", "volumes", "volumeMounts"}

# (object, path or "" for all of it) -> why
DELIBERATE: dict[tuple[str, str], str] = {
    (
        "Deployment coredns",
        "spec.template.spec.containers.0.readinessProbe.periodSeconds",
    ): "it is not ready when first asked: names are resolved sooner",
    (
        "ConfigMap kube-proxy",
        "data.config.conf.conntrack",
    ): "the host's limits stay: /proc/sys may be read-only",
    (
        "ConfigMap kube-proxy",
        "metadata.annotations",
    ): "kubeadm's hash says: kubeadm's own, replace it",
    ("ConfigMap kubelet-config", "metadata.annotations"): "as for kube-proxy",
    ("ConfigMap kubelet-config-1.20", "metadata.annotations"): "as for kube-proxy",
    ("ConfigMap kubelet-config-1.20", "data.kubelet.cgroupDriver"): "always written: it is what our hosts have",
    ("ConfigMap cluster-info", "data.kubeconfig.clusters.0.cluster.certificate-authority-data"): "each made its own",
    ("ClusterRoleBinding kubeadm:cluster-admins", ""): "kubeadm makes it while writing admin.conf, not in a dry run",
    ("ClusterRoleBinding kubeadm:apiserver-kubelet-client", ""): "with every version: harmless, and upgrades need it",
    ("Secret bootstrap-token", ""): "tokens are kubefort's own; kubeadm's come from kubeadm token create",
}
ONLY_WITH: dict[str, dict[tuple[str, str], str]] = {
    "v1.20.2": {
        ("Deployment coredns", "spec.template.spec.affinity"): "two replicas on one host are one: later kubeadms' rule",
        ("ClusterRole system:coredns", "rules"): "a newer CoreDNS in the bundle asks for EndpointSlices",
    },
}


@pytest.mark.parametrize("version", sample.VERSIONS)
def test_same_objects_as_kubeadm(version: str, tmp_path: Path) -> None:
    cluster, artifacts = sample.cluster(version), sample.artifacts(version)
    ours = [*cluster_objects(cluster, artifacts, [sample.FIRST], b"authority"), *addon_objects(cluster, artifacts)]
    left = {_name(o): _meaning(o) for o in ours}
    right = {_name(o): _meaning(o) for o in kubeadm_dry_run.objects(version, tmp_path)}
    allowed = {**DELIBERATE, **ONLY_WITH.get(version, {})}
    unexplained = []
    for name in sorted(left.keys() | right.keys()):
        if (name, "") in allowed:
            continue
        for path, mine, theirs in _differences(left.get(name), right.get(name), ""):
            if not any(name == n and (path == p or path.startswith(f"{p}.")) for n, p in allowed):
                unexplained.append(f"{name} {path}: ours {mine!r}, kubeadm's {theirs!r}")
    assert unexplained == []
    assert len(right) > 20


def test_every_deliberate_difference_has_a_reason() -> None:
    tables = [DELIBERATE, *ONLY_WITH.values()]
    assert all(len(reason) > 5 for table in tables for reason in table.values())


def _name(o: Object) -> str:
    name = o["metadata"]["name"]
    return "Secret bootstrap-token" if name.startswith("bootstrap-token-") else f"{o['kind']} {name}"


def _meaning(value: Any, key: str = "") -> Any:
    """Without what says nothing (nulls, empty objects, zero durations), with documents inside strings parsed."""
    if isinstance(value, dict):
        cleaned = {k: _meaning(v, k) for k, v in value.items() if k not in ("status", "creationTimestamp")}
        if "apiVersion" in cleaned and cleaned.get("kind") in ("Group", "User"):
            cleaned.pop("apiVersion")
        if cleaned.get("kind") in ("Group", "User"):
            cleaned.pop("apiGroup", None)
        if key == "metadata":
            cleaned.pop("resourceVersion", None)
            if cleaned.get("name", "").startswith("kubeadm:get-nodes"):
                cleaned.pop("namespace", None)  # 1.20 writes one on a cluster-wide object
        return {k: v for k, v in cleaned.items() if not _says_nothing(v)}
    if isinstance(value, list):
        items = [_meaning(item) for item in value]
        return sorted(items, key=_identity) if key in _UNORDERED else items
    if isinstance(value, str) and "\n" in value and key != "Corefile":
        return _meaning(yaml.safe_load(value), key)
    if key == "certificate-authority-data":
        return base64.b64decode(value)
    return value.strip() if isinstance(value, str) else value


def _identity(item: Any) -> str:
    return str(item.get("name") or item.get("key") or item) if isinstance(item, dict) else str(item)


def _says_nothing(value: Any) -> bool:
    return value is None or value is False or value in ("", "0s", "0", 0) or value in ({}, [])


def _differences(left: Any, right: Any, path: str) -> list[tuple[str, Any, Any]]:
    if isinstance(left, dict) and isinstance(right, dict):
        found = []
        for key in sorted(left.keys() | right.keys()):
            found += _differences(left.get(key), right.get(key), f"{path}.{key}" if path else key)
        return found
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        found = []
        for index, (mine, theirs) in enumerate(zip(left, right, strict=True)):
            found += _differences(mine, theirs, f"{path}.{index}")
        return found
    return [] if left == right else [(path, left, right)]
