"""Labels, taints, annotation and pod networks by version; what others put on the node stays."""

from __future__ import annotations

from typing import Any

import pytest
from kubefort.model.cluster import Cluster, Role, Taint
from kubefort.model.spec import Node
from kubefort_coordinator.kubernetes.marking import CRI_SOCKET, mark_node, merge_taints

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
MASTER = "node-role.kubernetes.io/master"
BALANCERS = "node.kubernetes.io/exclude-from-external-load-balancers"


def node(role: Role, **more: Any) -> Node:
    return Node("m1", "10.0.0.1", role, **more)


@pytest.mark.parametrize(
    ("version", "labels", "taints", "annotated"),
    [
        ("v1.20.2", {MASTER, CONTROL_PLANE}, {MASTER}, True),
        ("v1.23.1", {MASTER, CONTROL_PLANE, BALANCERS}, {MASTER}, True),
        ("v1.24.1", {CONTROL_PLANE, BALANCERS}, {MASTER, CONTROL_PLANE}, True),
        ("v1.30.1", {CONTROL_PLANE, BALANCERS}, {CONTROL_PLANE}, True),
        ("v1.36.2", {CONTROL_PLANE, BALANCERS}, {CONTROL_PLANE}, False),
    ],
)
def test_a_control_plane_by_version(version: str, labels: set[str], taints: set[str], annotated: bool) -> None:
    patch = mark_node({"metadata": {"name": "m1"}}, node("control-plane"), Cluster(version))
    assert set(patch["metadata"]["labels"]) == labels
    assert {t["key"] for t in patch["spec"]["taints"]} == taints
    assert (CRI_SOCKET in patch["metadata"].get("annotations", {})) == annotated


def test_a_plain_worker_needs_nothing() -> None:
    assert mark_node({"metadata": {"name": "w1", "resourceVersion": "5"}}, node("worker"), Cluster("v1.36.2")) == {}


def test_the_patch_is_for_the_version_that_was_read() -> None:
    current = {"metadata": {"name": "w1", "resourceVersion": "5"}}
    patch = mark_node(current, node("worker", labels={"zone": "a"}), Cluster("v1.36.2"))
    assert patch == {"metadata": {"labels": {"zone": "a"}, "resourceVersion": "5"}}


def test_pod_networks_are_set_once() -> None:
    worker = node("worker", pod_cidrs=("10.244.3.0/24", "fd00:3::/64"))
    fresh = mark_node({"metadata": {"name": "w1"}}, worker, Cluster("v1.36.2"))
    assert fresh["spec"] == {"podCIDR": "10.244.3.0/24", "podCIDRs": ["10.244.3.0/24", "fd00:3::/64"]}
    assert mark_node({"metadata": {"name": "w1"}, "spec": {"podCIDR": "10.9.0.0/24"}}, worker, Cluster("v1.36.2")) == {}


def test_what_is_marked_needs_no_patch() -> None:
    wanted = node("control-plane", labels={"zone": "a"}, taints=(Taint("own", "NoExecute", "x"),))
    patch = mark_node({"metadata": {"name": "m1"}}, wanted, Cluster("v1.36.2"))
    assert (
        mark_node({"metadata": {"name": "m1", **patch["metadata"]}, "spec": patch["spec"]}, wanted, Cluster("v1.36.2"))
        == {}
    )


@pytest.mark.parametrize(
    ("present", "wanted", "merged"),
    [
        ([], [], []),
        ([{"key": "a", "effect": "NoSchedule"}], [], [{"key": "a", "effect": "NoSchedule"}]),
        (
            [{"key": "a", "effect": "NoSchedule", "timeAdded": "t"}],
            [{"key": "a", "effect": "NoSchedule"}],
            [{"key": "a", "effect": "NoSchedule", "timeAdded": "t"}],
        ),
        (
            [{"key": "a", "effect": "NoSchedule"}],
            [{"key": "a", "effect": "NoExecute"}],
            [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}],
        ),
        (
            [{"key": "a", "effect": "NoSchedule", "value": "1"}],
            [{"key": "a", "effect": "NoSchedule", "value": "2"}],
            [{"key": "a", "effect": "NoSchedule", "value": "2"}],
        ),
    ],
)
def test_merging_taints(
    present: list[dict[str, Any]], wanted: list[dict[str, Any]], merged: list[dict[str, Any]]
) -> None:
    assert merge_taints(present, wanted) == merged
