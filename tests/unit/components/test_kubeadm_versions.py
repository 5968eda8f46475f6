from __future__ import annotations

from typing import Any

import pytest
from kubefort.errors import InvalidInput
from kubefort.kubeadm.versions import NEWEST, OLDEST, ROWS, Rules, Version, parse, rules


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v1.36.2", Version(36, 2)),
        ("1.20.0", Version(20, 0)),
        ("v1.21.0-lab", Version(21, 0, "-lab")),
        ("v1.37.0-rc.1", Version(37, 0, "-rc.1")),
        ("v1.30.1+k0s.0", Version(30, 1, "+k0s.0")),
    ],
)
def test_versions_are_understood(text: str, version: Version) -> None:
    assert parse(text) == version
    assert str(version) == f"v{text.removeprefix('v')}"


@pytest.mark.parametrize("text", ["", "latest", "v1.36", "v2.0.0", "1.36.2 ", "v1.36.x", "v1.36.2.1"])
def test_what_is_no_version_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert caught.value.hint


def test_versions_before_the_table_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"older than v1\.20"):
        parse("v1.19.16")


def test_versions_are_ordered() -> None:
    assert parse("v1.20.1") < parse("v1.20.2") < parse("v1.35.0") < parse("v1.36.0")


def test_rows_are_in_order_and_name_real_rules() -> None:
    assert [since for since, _ in ROWS] == sorted({since for since, _ in ROWS})
    names = set(Rules.__dataclass_fields__)
    assert all(set(changes) <= names for _, changes in ROWS)


def test_each_row_changes_something() -> None:
    before = Rules()
    for (minor, patch), changes in ROWS:
        after = rules(Version(minor, patch))
        assert all(getattr(before, name) != value for name, value in changes.items()), (minor, patch)
        before = after


@pytest.mark.parametrize("minor", range(OLDEST, NEWEST + 1))
def test_every_minor_of_the_table_has_rules(minor: int) -> None:
    table = rules(Version(minor, 0))
    assert table.minor == minor
    assert not table.beyond_table
    assert table.kubelet_config_map == (f"kubelet-config-1.{minor}" if minor < 24 else "kubelet-config")


def test_a_newer_minor_has_the_newest_rules_and_says_so() -> None:
    newest, newer = rules(Version(NEWEST, 9)), rules(Version(NEWEST + 3, 0))
    assert newer.beyond_table
    assert newer.etcd_flags == newest.etcd_flags
    assert newer.minor == NEWEST + 3


FIRST_MINOR: list[tuple[str, Any, int]] = [
    ("apiserver_insecure_port", False, 22),
    ("scheduler_port", False, 23),
    ("seccomp_profile", True, 22),
    ("container_runtime_flag", False, 26),
    ("explicit_priority", True, 27),
    ("kubelet_skew", 3, 28),
    ("super_admin", True, 29),
    ("etcd_client_organization", "", 29),
    ("fail_cgroup_v1", True, 31),
    ("etcd_liveness_path", "/livez", 31),
    ("scheduler_readiness_path", "/readyz", 32),
    ("named_probe_ports", True, 34),
    ("runtime_endpoint_in_config", True, 34),
    ("flexvolume_mount", False, 36),
]


@pytest.mark.parametrize(("rule", "value", "first"), FIRST_MINOR)
def test_a_rule_holds_from_its_minor_on(rule: str, value: object, first: int) -> None:
    holding = [minor for minor in range(OLDEST, NEWEST + 1) if getattr(rules(Version(minor, 0)), rule) == value]
    assert holding == list(range(first, NEWEST + 1))


@pytest.mark.parametrize(
    ("text", "organization"),
    [
        ("v1.28.9", "system:masters"),
        ("v1.29.0", "kubeadm:cluster-admins"),
        ("v1.35.4", "kubeadm:cluster-admins"),
        ("v1.35.6", ""),
        ("v1.36.2", ""),
    ],
)
def test_kubelet_clients_group_and_its_binding(text: str, organization: str) -> None:
    table = rules(parse(text))
    assert table.apiserver_kubelet_client_organization == organization
    assert table.apiserver_kubelet_client_binding == (organization == "")


@pytest.mark.parametrize(
    ("minor", "taints"), [(23, {"master"}), (24, {"master", "control-plane"}), (25, {"control-plane"})]
)
def test_control_plane_taints(minor: int, taints: set[str]) -> None:
    assert {key.rpartition("/")[2] for key in rules(Version(minor, 0)).control_plane_taints} == taints
