"""Which version may follow which; batches; flags that are gone."""

from __future__ import annotations

import pytest
from kubefort.errors import InvalidInput
from kubefort.kubeadm.upgrades import at_once, batches, beyond_table, obstacle, order, removed_flags
from kubefort.kubeadm.versions import parse
from kubefort.model.cluster import Cluster, ComponentSettings


@pytest.mark.parametrize(
    ("current", "target", "kubelets", "words"),
    [
        ("v1.35.6", "v1.35.7", ("v1.35.6",), ""),
        ("v1.35.6", "v1.36.0", ("v1.35.6",), ""),
        ("v1.36.2", "v1.36.2", ("v1.35.6",), ""),
        ("v1.35.6", "v1.36.0-rc.1", (), ""),
        ("v1.36.0-rc.1", "v1.36.0", (), ""),
        ("v1.20.2", "v1.21.0-lab", (), ""),
        ("v1.35.6", "v1.35.5", (), "older than"),
        ("v1.36.0", "v1.36.0-rc.1", (), "older than"),
        ("v1.35.6", "v1.34.9", (), "older than"),
        ("v1.34.1", "v1.36.2", (), "2 minor versions: one at a time"),
        ("v1.36.2", "v1.37.0", ("v1.34.0",), ""),
        ("v1.36.2", "v1.37.0", ("v1.33.9",), "serve at most 3 minors back"),
        ("v1.23.1", "v1.24.1", ("v1.21.3",), "serve at most 2 minors back"),
        ("v1.35.6", "v1.36.2", ("v1.37.0",), "none may be newer than its API server"),
        ("v1.35.6", "v1.36.1", ("v1.36.2",), "none may be newer than its API server"),
    ],
)
def test_one_minor_at_a_time_and_never_back(current: str, target: str, kubelets: tuple[str, ...], words: str) -> None:
    found = obstacle(parse(current), parse(target), [(f"w{n}", parse(v)) for n, v in enumerate(kubelets)])
    assert (words in found) if words else found == ""


def test_versions_sort_as_released() -> None:
    released = ["v1.35.9", "v1.36.0-alpha.2", "v1.36.0-rc.2", "v1.36.0-rc.10", "v1.36.0", "v1.36.1", "v1.36.10"]
    assert [str(v) for v in sorted(map(parse, reversed(released)), key=order)] == released


@pytest.mark.parametrize(
    ("text", "hosts", "number"),
    [
        ("1", 5, 1),
        ("3", 5, 3),
        ("10%", 3, 1),
        ("25%", 5, 2),
        ("100%", 4, 4),
        ("1%", 1, 1),
        ("50%", 0, 1),
    ],
)
def test_per_cents_are_rounded_up_and_never_nothing(text: str, hosts: int, number: int) -> None:
    assert at_once(text, hosts) == number


@pytest.mark.parametrize("text", ["0", "0%", "-1", "101%", "half", "", "1.5"])
def test_what_is_no_number_of_hosts_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no number of hosts"):
        at_once(text, 3)


def test_batches_keep_the_order_and_lose_nobody() -> None:
    assert batches("abcde", "2") == (("a", "b"), ("c", "d"), ("e",))
    assert batches("abc", "10%") == (("a",), ("b",), ("c",))
    assert batches((), "25%") == ()


def test_extra_arguments_that_are_gone_are_named() -> None:
    settings = {"kube-controller-manager": ComponentSettings(extra_args={"pod-eviction-timeout": "1m", "v": "2"})}
    cluster = Cluster("v1.26.1", components=settings)
    assert removed_flags(cluster, parse("v1.26.2")) == ()
    assert removed_flags(cluster, parse("v1.27.0")) == (("kube-controller-manager", "pod-eviction-timeout"),)


def test_a_minor_that_nobody_knows_is_a_warning() -> None:
    assert beyond_table(parse("v1.36.2")) == ""
    assert "newer than all" in beyond_table(parse("v1.39.0"))
