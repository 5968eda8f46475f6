from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cryptography.x509 import load_pem_x509_csr
from kfctl import joining, membership, thishost
from kfctl.joining import Wish, join
from kfctl.membership import Ticket
from kubefort import document, identity, paths
from kubefort.errors import InvalidInput, KubefortError, Refused
from kubefort.identity import Identity
from kubefort.model.status import Facts

from tests.unit.kfctl.fakes import Authority, FakeCoordinator, Running, operation

PIN = "sha256:" + "0" * 64
TOKEN = "abcdef.0123456789abcdef"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", "10.0.0.1:7443"),
        ("10.0.0.1:9443", "10.0.0.1:9443"),
        ("cp1.example", "cp1.example:7443"),
        ("fd00::1", "[fd00::1]:7443"),
        ("[fd00::1]:9443", "[fd00::1]:9443"),
    ],
)
def test_addresses_of_the_coordinator(address: str, expected: str) -> None:
    assert Ticket.parse(address, TOKEN, PIN).address == expected


@pytest.mark.parametrize(
    ("address", "token", "pin", "said"),
    [
        ("10.0.0.1:", TOKEN, PIN, "is not an address"),
        ("a:b", TOKEN, PIN, "is not an address"),
        ("10.0.0.1", "abcdef", PIN, "the token does not have the form"),
        ("10.0.0.1", TOKEN.upper(), PIN, "the token does not have the form"),
        ("10.0.0.1", TOKEN, "sha256:12", "the pin does not have the form"),
    ],
)
def test_what_no_join_command_has_is_refused(address: str, token: str, pin: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        Ticket.parse(address, token, pin)
    assert "kfctl token create" in caught.value.hint


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """This host: a folder for its state, and its services as a list of what was started."""
    started: list[tuple[str, bool]] = []

    async def start(unit: str, restart: bool = False) -> None:
        started.append((unit, restart))

    async def stop(unit: str) -> None:
        pass

    monkeypatch.setattr(paths, "IDENTITY", tmp_path / "identity")
    monkeypatch.setattr(paths, "KUBERNETES", tmp_path / "kubernetes")
    monkeypatch.setattr(paths, "ETCD_DATA", tmp_path / "etcd")
    monkeypatch.setattr(paths, "AGENT_CONFIG", tmp_path / "agent.yaml")
    monkeypatch.setattr(thishost, "start_service", start)
    monkeypatch.setattr(thishost, "stop_service", stop)
    monkeypatch.setattr(thishost, "require_root", lambda _: None)
    monkeypatch.setattr(thishost, "hostname", lambda: "w1")
    return started


def wish(coordinator: Running, ignored: tuple[str, ...] = ()) -> Wish:
    pin = identity.pin(coordinator.fake.authority.pem)
    return Wish(Ticket("127.0.0.1", coordinator.enrolment_port, TOKEN, pin), "", ignored)


async def test_join_enrols_starts_the_agent_and_waits_for_the_end(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    paths.AGENT_CONFIG.write_text("logLevel: debug\n")
    fake.states = [operation(), operation("succeeded")]
    await join(wish(coordinator, ("NumCPU",)), 30, "text")
    request = fake.requests("Enrol")[0]
    assert request.token == TOKEN
    assert list(request.ignored_checks) == ["NumCPU"]
    facts = document.decode(request.facts, Facts, "facts")
    assert (facts.hostname, facts.address) == ("w1", "127.0.0.1")
    assert Identity.load(paths.IDENTITY).common_name == "w1"
    assert sorted(path.name for path in paths.IDENTITY.iterdir()) == ["ca.crt", "tls.crt", "tls.key"]
    settings = yaml.safe_load(paths.AGENT_CONFIG.read_text())
    assert settings == {"logLevel": "debug", "coordinator": [f"127.0.0.1:{coordinator.port}"]}
    assert calls == [(membership.AGENT, True)]
    assert "w1 is a member of the cluster and Ready." in capsys.readouterr().out


@pytest.mark.parametrize("there", ["", "kubernetes/kubelet.conf", "etcd/member/snap/db"])
async def test_the_coordinator_hears_whether_the_host_has_something_of_a_cluster(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]], tmp_path: Path, there: str
) -> None:
    if there:
        (tmp_path / there).parent.mkdir(parents=True)
        (tmp_path / there).touch()
    fake.states = [operation("succeeded")]
    await join(wish(coordinator), 30, "text")
    assert fake.requests("Enrol")[0].bare is (there == "")


async def test_the_same_join_twice_enrols_once(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.states = [operation("succeeded")]
    await join(wish(coordinator), 30, "text")
    await join(wish(coordinator), 30, "text")
    assert len(fake.requests("Enrol")) == 1
    assert calls == [(membership.AGENT, True), (membership.AGENT, False)]
    assert "w1 is a member of the cluster already." in capsys.readouterr().out


async def test_a_failed_join_is_taken_up_again_without_a_token(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]]
) -> None:
    fake.states = [operation("failed", error="disk full")]
    with pytest.raises(KubefortError, match="disk full"):
        await join(wish(coordinator), 30, "text")
    with pytest.raises(KubefortError, match="disk full"):
        await join(wish(coordinator, ("Mem",)), 30, "text")
    assert len(fake.requests("Enrol")) == 1
    watched = [(each.resume, list(each.ignored_checks)) for each in fake.requests("WatchOwnOperation")]
    assert watched == [(False, []), (False, []), (True, ["Mem"])]


async def test_an_enrolment_whose_answer_was_lost_uses_its_key_again(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]]
) -> None:
    fake.failures["Enrol"] = Refused("busy")
    for _ in range(2):
        with pytest.raises(Refused, match="busy"):
            await join(wish(coordinator), 30, "text")
    first, second = (load_pem_x509_csr(each.certificate_request.encode()) for each in fake.requests("Enrol"))
    assert first.public_key() == second.public_key()


async def test_a_host_that_the_coordinator_forgot_enrols_again(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]]
) -> None:
    fake.states = [operation("succeeded")]
    await join(wish(coordinator), 30, "text")
    fake.failures["WatchOwnOperation"] = Refused("w1 is not known (any more)", "let it join again")
    with pytest.raises(Refused):
        await join(wish(coordinator), 30, "text")
    assert len(fake.requests("Enrol")) == 2


async def test_a_member_of_another_cluster_is_not_touched(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]]
) -> None:
    Authority().identity("w1").save(paths.IDENTITY)
    paths.AGENT_CONFIG.write_text("coordinator: [10.9.9.9:7444]\n")
    with pytest.raises(Refused, match="member of another cluster"):
        await join(wish(coordinator), 30, "text")
    assert (calls, fake.asked) == ([], [])


STOP = thishost.stop_service


async def test_without_an_agent_to_stop_no_token_is_sent(
    coordinator: Running,
    fake: FakeCoordinator,
    calls: list[tuple[str, bool]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "systemctl").write_text("#!/bin/sh\nexit 5\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(thishost, "stop_service", STOP)
    with pytest.raises(InvalidInput, match="kubefort-agent is not installed"):
        await join(wish(coordinator), 30, "text")
    assert fake.requests("Enrol") == []


async def test_a_wrong_pin_sends_no_token(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]]
) -> None:
    wrong = Wish(Ticket("127.0.0.1", coordinator.enrolment_port, TOKEN, PIN), "", ())
    with pytest.raises(Refused, match="not the coordinator you expect"):
        await join(wrong, 30, "text")
    assert fake.asked == []
    assert not paths.IDENTITY.exists()


async def test_a_refused_token_leaves_the_host_as_it_was(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]]
) -> None:
    fake.failures["Enrol"] = Refused("this token expired at T", "make a new one")
    with pytest.raises(Refused, match="expired at T"):
        await join(wish(coordinator), 30, "text")
    assert calls == []
    assert membership.enrolled() is None
    assert not paths.AGENT_CONFIG.exists()


async def test_dry_run_changes_nothing(
    coordinator: Running, fake: FakeCoordinator, calls: list[tuple[str, bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    await joining.dry_join(wish(coordinator))
    assert "would be enrolled with the token abcdef" in capsys.readouterr().out
    assert (fake.asked, calls) == ([], [])
    assert not paths.IDENTITY.exists()
