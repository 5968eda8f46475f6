from __future__ import annotations

import json
from pathlib import Path

import pytest
from kfctl import cleaning, operator, setup, thishost
from kfctl.operator import Operator
from kubefort import document, identity, paths
from kubefort.errors import InvalidInput, KubefortError, Refused, Unavailable
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Node, NodeSpec

from tests.unit.kfctl.fakes import Authority, FakeCoordinator, Running

COUNTS = setup._counts


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is all of PATH, besides /bin and /usr/bin."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return folder


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "$CALLS"\n{script}\n')
    (folder / name).chmod(0o755)


def calls(tmp_path: Path) -> list[str]:
    path = tmp_path / "calls"
    return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(*_: object) -> None:
        pass

    async def counts(who: Operator) -> bool:
        return True

    monkeypatch.setattr(thishost, "wait_for_port", at_once)
    monkeypatch.setattr(setup, "_counts", counts)
    monkeypatch.setattr(thishost, "hostname", lambda: "cp1")


def fake_setup(folder: Path, authority: str) -> None:
    """A kubefort-coordinator that prints the authority's pin and admits every operator."""
    signed = folder.parent / "signed.pem"
    signed.write_text(authority + authority)
    program(folder, "kubefort-coordinator", f'test -z "$7" || cp {signed} "$7"\necho {identity.pin(authority)}')


async def test_setup_keeps_the_operator_that_it_made(programs: Path, tmp_path: Path, answering: None) -> None:
    authority = Authority().pem
    fake_setup(programs, authority)
    program(programs, "systemctl", "exit 0")
    config = tmp_path / "kfctl.yaml"
    who = await setup.coordinator("10.0.0.1", config)
    assert who.address == "10.0.0.1:7444"
    assert who.authority == authority
    assert config.stat().st_mode & 0o777 == 0o600
    assert "systemctl start kubefort-coordinator.service" in calls(tmp_path)
    assert await setup.coordinator("10.0.0.1", config) == operator.load(config) == who
    assert sum("--operator-request" in call for call in calls(tmp_path)) == 1


async def test_an_operator_of_an_earlier_coordinator_is_replaced(
    programs: Path, tmp_path: Path, answering: None
) -> None:
    program(programs, "systemctl", "exit 0")
    config = tmp_path / "kfctl.yaml"
    fake_setup(programs, Authority().pem)
    old = await setup.coordinator("10.0.0.1", config)
    newer = Authority().pem
    fake_setup(programs, newer)
    who = await setup.coordinator("10.0.0.1", config)
    assert who.key != old.key
    assert who.authority == newer


@pytest.mark.parametrize("how", ["ended", "revoked", "good"])
async def test_an_operator_who_does_not_count_any_more_is_replaced(
    programs: Path, tmp_path: Path, answering: None, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(setup, "_counts", COUNTS)
    fake = FakeCoordinator()
    with Running(fake) as running:
        program(programs, "systemctl", "exit 0")
        fake_setup(programs, fake.authority.pem)
        config = tmp_path / "kfctl.yaml"
        fake.authority.days_used, fake.authority.days_left = (10, -1) if how == "ended" else (0, 365)
        who = fake.authority.identity("root@cp1")
        old = Operator(f"127.0.0.1:{running.port}", who.key, who.certificate, who.authority)
        operator.save(config, old)
        if how == "revoked":
            fake.failures["GetOverview"] = Refused("root@cp1 is not known (any more)")
        assert (await setup.coordinator("10.0.0.1", config) == old) is (how == "good")


async def test_a_missing_coordinator_package_is_named(programs: Path, tmp_path: Path, answering: None) -> None:
    with pytest.raises(InvalidInput, match="kubefort-coordinator is not installed") as caught:
        await setup.coordinator("10.0.0.1", tmp_path / "kfctl.yaml")
    assert "install the package" in caught.value.hint


async def test_a_setup_that_fails_keeps_its_words(programs: Path, tmp_path: Path, answering: None) -> None:
    program(programs, "kubefort-coordinator", "echo 'kubefort-coordinator: the disk is full' >&2; exit 1")
    with pytest.raises(KubefortError, match="cannot be set up: the disk is full"):
        await setup.coordinator("10.0.0.1", tmp_path / "kfctl.yaml")
    assert not (tmp_path / "kfctl.yaml").exists()


async def test_a_port_that_stays_closed_is_named() -> None:
    with pytest.raises(Unavailable, match=r"the coordinator does not answer at 127\.0\.0\.1:9 after 0 s"):
        await thishost.wait_for_port("127.0.0.1", 9, 0.05, "the coordinator", "u")


@pytest.mark.parametrize("name", ["Node1", "localhost", "a_b", "x" * 64])
def test_host_names_that_kubernetes_does_not_take(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(thishost, "_read", lambda _: name)
    with pytest.raises(InvalidInput) as caught:
        thishost.hostname()
    assert "hostnamectl set-hostname" in caught.value.hint


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: Path) -> Path:
    """A host with an agent that owns one file, and a systemctl whose start lets the agent do its work."""
    for name, value in (
        ("IDENTITY", "identity"),
        ("ARTIFACTS", "artifacts"),
        ("SPEC", "spec.json"),
        ("OWNED", "owned.json"),
        ("AGENT_CONFIG", "agent.yaml"),
    ):
        monkeypatch.setattr(paths, name, tmp_path / value)
    monkeypatch.setattr(thishost, "require_root", lambda _: None)
    Authority().identity("w1").save(paths.IDENTITY)
    spec = NodeSpec(7, Cluster("v1.36.2"), Node("w1", "10.0.0.2", "worker"), "node", paused_until=9e9)
    paths.SPEC.write_bytes(document.encode(spec))
    paths.AGENT_CONFIG.write_text("coordinator: [10.0.0.1:7444]\n")
    (tmp_path / "owned.json").write_text(json.dumps([{"key": "file:/a", "undo": []}]))
    return tmp_path


async def test_a_local_reset_lets_the_agent_leave_and_forgets_everything(state: Path, programs: Path) -> None:
    leave = f'case "$1" in start) cp {state}/spec.json {state}/seen.json; echo "[]" > {state}/owned.json;; esac'
    program(programs, "systemctl", leave)
    await cleaning.clean(30)
    seen = document.decode((state / "seen.json").read_bytes(), NodeSpec, "spec")
    assert (seen.stage, seen.generation, seen.paused_until) == ("absent", 8, 0.0)
    left = {path.name for path in state.iterdir()} - {"seen.json", "programs", "calls"}
    assert left == set()
    assert calls(state)[-1] == "systemctl disable --now kubefort-agent.service"


async def test_an_agent_that_cannot_leave_keeps_its_identity(state: Path, programs: Path) -> None:
    program(programs, "systemctl", "exit 0")
    with pytest.raises(KubefortError, match="the agent still has to remove 1 things"):
        await cleaning.clean(0.05)
    assert (paths.IDENTITY / "tls.key").exists()


def test_an_operators_file_comes_back_as_it_was(tmp_path: Path) -> None:
    who = Operator("10.0.0.1:7444", "-----KEY\nabc\n-----END\n", "cert\n", "ca\n")
    operator.save(tmp_path / "kfctl.yaml", who)
    assert operator.load(tmp_path / "kfctl.yaml") == who
    assert "key: |\n  -----KEY\n" in (tmp_path / "kfctl.yaml").read_text()


@pytest.mark.parametrize("content", ["address: [", "address: 1", "nonsense: x", ""])
def test_an_operators_file_that_is_none_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kfctl.yaml"
    path.write_text(content)
    with pytest.raises(InvalidInput, match=r"kfctl\.yaml"):
        operator.load(path)
