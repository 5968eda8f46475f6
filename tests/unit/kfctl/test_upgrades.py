"""kfctl upgrade, node and operation pause: what is asked of the coordinator, and what is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kfctl.upgrades import targets, tree
from kubefort import document
from kubefort.errors import Refused
from kubefort.kubeadm.versions import parse
from kubefort.model.cluster import Cluster
from kubefort.model.operation import (
    DrainSettings,
    HostOverview,
    NodeArguments,
    Overview,
    PhaseState,
    UpgradeArguments,
)

from tests.unit.kfctl.conftest import Kfctl
from tests.unit.kfctl.fakes import FakeCoordinator, operation


def host(name: str, role: str = "control-plane", stage: str = "node", version: str = "v1.35.6") -> HostOverview:
    return HostOverview(name, role, "10.0.0.1", stage, 1, True, kubernetes_version=version)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def overview(fake: FakeCoordinator) -> None:
    hosts = (host("cp1"), host("w1", "worker"), host("new", "worker", "enrolled"))
    fake.overview = Overview("9.9.9", 1000.0, Cluster("v1.35.6"), hosts)
    fake.states = [operation("succeeded", kind="upgrade", created=10.0, ended=100.0, warnings=("mind the gap",))]


def asked(fake: FakeCoordinator) -> UpgradeArguments:
    (request,) = fake.requests("StartOperation")
    assert request.kind == "upgrade"
    return document.decode(request.arguments, UpgradeArguments, "arguments")


def test_a_plan_asks_for_a_dry_run_and_says_what_moves(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    said = kfctl("upgrade", "plan", "1.36.2", "--max-unavailable", "25%")
    assert said.exit_code == 3
    assert asked(fake) == UpgradeArguments("v1.36.2", ("cp1", "w1"), "25%")
    assert fake.requests("StartOperation")[0].dry_run
    for words in ("cp1   control-plane  v1.35.6  v1.36.2", "1. Check w1", "Mind: mind the gap.", "Nothing was changed"):
        assert words in said.output
    assert "new" not in said.output.split()


def test_a_plan_as_json(kfctl: Kfctl) -> None:
    said = json.loads(kfctl("upgrade", "plan", "v1.36.2", "-o", "json").output)
    assert said["hosts"][1] == {"host": "w1", "role": "worker", "from": "v1.35.6", "to": "v1.36.2"}
    assert said["phases"] == ["Check w1", "Prepare w1"]


def test_a_plan_without_a_version_lists_where_it_could_go(kfctl: Kfctl) -> None:
    said = kfctl("upgrade", "plan")
    assert said.exit_code == 3
    assert "v1.36.2: kfctl upgrade plan v1.36.2" in said.output


def test_a_plan_for_what_is_there_already_has_nothing_to_do(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    said = kfctl("upgrade", "plan", "v1.35.6")
    assert (said.exit_code, fake.requests("StartOperation")) == (0, [])
    assert "already" in said.output


def test_only_newer_bundles_are_targets() -> None:
    found = targets(parse("v1.35.6"), ["v1.37.0", "v1.36.2", "v1.35.6", "v1.35.7", "v1.20.2"])
    assert [version for version, _ in found] == ["v1.35.7", "v1.36.2", "v1.37.0"]
    assert [bool(why) for _, why in found] == [False, False, True]


def test_apply_adds_the_bundle_and_follows(kfctl: Kfctl, fake: FakeCoordinator, tmp_path: Path) -> None:
    said = kfctl("upgrade", "apply", "v1.36.2", "--bundle", str(tmp_path), "--drain-timeout", "90s", "--late", "delete")
    assert said.exit_code == 0, said.output
    assert fake.requests("AddBundle")[0].folder == str(tmp_path)
    assert asked(fake).drain == DrainSettings(90.0, "delete")
    assert "mind: mind the gap" in said.output
    assert "The cluster has v1.36.2 (90 s)." in said.output


def test_apply_says_why_it_was_refused(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.failures["StartOperation"] = Refused("one minor at a time", "take v1.36 first")
    said = kfctl("upgrade", "apply", "v1.37.0")
    assert said.exit_code == 1
    assert "one minor at a time" in said.output
    assert "take v1.36 first" in said.output


def test_apply_as_a_dry_run_begins_nothing(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    assert kfctl("upgrade", "apply", "v1.36.2", "--dry-run").exit_code == 0
    assert [request.dry_run for request in fake.requests("StartOperation")] == [True]


@pytest.mark.parametrize("wrong", [("upgrade", "apply", "latest"), ("upgrade", "plan", "1.36")])
def test_what_is_no_version_is_refused(kfctl: Kfctl, wrong: tuple[str, ...]) -> None:
    said = kfctl(*wrong)
    assert said.exit_code == 1
    assert "is no Kubernetes version" in said.output


def test_status_is_a_tree_and_the_hosts_versions(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    hosts = (host("cp1", version="v1.36.2"), host("w1", "worker"))
    upgrade = operation("running", kind="upgrade", title="Upgrade to v1.36.2")
    fake.overview = Overview("9.9.9", 43.0, Cluster("v1.36.2"), hosts, (operation("failed"), upgrade))
    said = kfctl("upgrade", "status").output
    assert "cp1   control-plane  v1.36.2" in said
    assert "✔ Check w1 (2 s)" in said
    assert "▶ Prepare w1 (for 40 s)\n      waiting for w1 to import images" in said


def test_a_tree_of_what_failed_says_why_and_what_to_type() -> None:
    phases = (PhaseState("a", "Do a", "failed", started=1.0, ended=2.0), PhaseState("b", "Do b"))
    said = tree(operation("failed", phases=phases, error="no quorum", hint="add one"), 9.0)
    assert said.splitlines()[1:] == ["  ✘ Do a (1 s)", "  · Do b", "no quorum", "add one"]


def test_nothing_was_upgraded_yet(kfctl: Kfctl) -> None:
    assert "never upgraded" in kfctl("upgrade", "status").output
    assert json.loads(kfctl("upgrade", "status", "-o", "json").output)["operation"] is None


@pytest.mark.parametrize(
    ("words", "kind", "settings"),
    [
        (("cordon", "w1"), "cordon", DrainSettings()),
        (("uncordon", "w1"), "uncordon", DrainSettings()),
        (("drain", "w1", "--local-data", "--late", "ignore"), "drain", DrainSettings(600.0, "ignore", True)),
    ],
)
def test_nodes(kfctl: Kfctl, fake: FakeCoordinator, words: tuple[str, ...], kind: str, settings: DrainSettings) -> None:
    assert kfctl("node", *words).exit_code == 0
    (request,) = fake.requests("StartOperation")
    assert request.kind == kind
    assert document.decode(request.arguments, NodeArguments, "arguments") == NodeArguments("w1", settings)


def test_pause_is_an_abort_that_waits_for_the_phase(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    assert kfctl("operation", "pause", "op-1").exit_code == 0
    assert [(r.id, r.pause) for r in fake.requests("AbortOperation")] == [("op-1", True)]
