from __future__ import annotations

import dataclasses
import fcntl
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kfctl import membership, operator, setup, thishost
from kfctl.initialising import Wish, dry_init, init
from kfctl.operator import Operator
from kfctl.plans import wished_cluster
from kubefort import document, paths
from kubefort.clusterfile import ClusterFile
from kubefort.errors import InvalidInput, KubefortError, Refused
from kubefort.identity import Identity
from kubefort.model.cluster import Cluster, VirtualIP
from kubefort.model.operation import BootstrapArguments, HostOverview, OperationState, Overview

from tests.unit.kfctl.conftest import json_lines
from tests.unit.kfctl.fakes import Authority, FakeCoordinator, Running, operation

CLUSTER = Cluster("v1.36.2", endpoint="10.0.0.1:6443")
HOST = HostOverview("cp1", "control-plane", "127.0.0.1", "node", 3, True)


def bootstrap(status: str, **changes: Any) -> OperationState:
    return operation(status, id="bootstrap-1", kind="bootstrap", title="Bootstrap kubernetes", **changes)


def overview(status: str, cluster: Cluster = CLUSTER, hosts: tuple[HostOverview, ...] = (HOST,)) -> Overview:
    return Overview("9.9.9", 1000.0, cluster, hosts, (bootstrap(status),))


@pytest.fixture
def wish(tmp_path: Path) -> Wish:
    folder = tmp_path / "bundle"
    folder.mkdir()
    manifest = {"kubernetesVersion": "v1.36.2", "etcdVersion": "3.6.13", "artifacts": []}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return Wish(tmp_path / "kfctl.yaml", None, "", "", "", (folder,), (), (), ())


@pytest.fixture
def host(coordinator: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """This host is cp1 with a coordinator that runs already; returns what its set-up and services were told."""
    did: list[str] = []
    fake = coordinator.fake
    fake.states = [bootstrap("running"), bootstrap("succeeded")]

    async def start(unit: str, restart: bool = False) -> None:
        did.append(f"{'restart' if restart else 'start'} {unit}")

    async def stop(unit: str) -> None:
        pass

    async def set_up(address: str, config: Path) -> Operator:
        did.append(f"setup {address}")
        if not config.exists():
            who = fake.authority.identity("root@cp1")
            operator.save(config, Operator(f"127.0.0.1:{coordinator.port}", who.key, who.certificate, who.authority))
        return operator.load(config)

    async def here() -> str:
        return "127.0.0.1"

    for name, value in (("IDENTITY", "identity"), ("AGENT_CONFIG", "agent.yaml"), ("RUN", "run")):
        monkeypatch.setattr(paths, name, tmp_path / value)
    monkeypatch.setattr(paths, "ENROLMENT_PORT", coordinator.enrolment_port)
    monkeypatch.setattr(setup, "coordinator", set_up)
    monkeypatch.setattr(thishost, "start_service", start)
    monkeypatch.setattr(thishost, "stop_service", stop)
    monkeypatch.setattr(thishost, "advertise_address", here)
    monkeypatch.setattr(thishost, "require_root", lambda _: None)
    monkeypatch.setattr(thishost, "hostname", lambda: "cp1")
    return did


def began(fake: FakeCoordinator) -> BootstrapArguments:
    (request,) = fake.requests("StartOperation")
    assert request.kind == "bootstrap"
    return document.decode(request.arguments, BootstrapArguments, "arguments")


async def test_init_sets_up_adds_begins_joins_and_follows(
    host: list[str], fake: FakeCoordinator, wish: Wish, capsys: pytest.CaptureFixture[str]
) -> None:
    await init(wish, 30, "text")
    assert host == ["setup 127.0.0.1", f"restart {membership.AGENT}"]
    order = [name for name, _ in fake.asked]
    assert order == [
        "GetOverview",
        "AddBundle",
        "ListBundles",
        "StartOperation",
        "CreateToken",
        "Enrol",
        "WatchOperation",
        "CreateToken",
        "CreateToken",
    ]
    assert began(fake) == BootstrapArguments(Cluster("v1.36.2"), "cp1")
    own, *others = fake.requests("CreateToken")
    assert (own.role, own.uses) == ("control-plane", 1)
    assert [each.role for each in others] == ["control-plane", "worker"]
    assert Identity.load(paths.IDENTITY).common_name == "cp1"
    said = capsys.readouterr().out
    assert "The cluster is made." in said
    assert said.count("kfctl join 10.0.0.1 --token") == 2


async def test_manifests_of_the_pod_network_lie_beside_cluster_yaml(
    host: list[str], fake: FakeCoordinator, wish: Wish, tmp_path: Path
) -> None:
    folder = tmp_path / "cluster"
    (folder / "net").mkdir(parents=True)
    text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: net}\n"
    (folder / "net/a.yaml").write_text(text)
    (folder / "cluster.yaml").write_text(
        "apiVersion: kubefort.dev/v1\nkind: Cluster\npodNetwork: manifest\npodNetworkManifests: [net/a.yaml]\n"
    )
    await init(dataclasses.replace(wish, cluster_file=folder / "cluster.yaml"), 30, "text")
    assert began(fake).manifests == (text,)


async def test_init_on_a_finished_cluster_changes_nothing(
    host: list[str], fake: FakeCoordinator, wish: Wish, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.overview = overview("succeeded")
    with pytest.raises(Refused, match="cp1 is no member of it") as caught:
        await init(wish, 30, "json")
    assert "kfctl token create --role control-plane" in caught.value.hint
    fake.authority.identity("cp1").save(paths.IDENTITY)
    paths.AGENT_CONFIG.write_text("coordinator: [10.0.0.1:7444]\n")
    fake.asked.clear()
    await init(wish, 30, "json")
    assert [name for name, _ in fake.asked] == ["GetOverview"]
    assert json_lines(capsys.readouterr().out)[-1] == {"type": "result", "status": "unchanged"}


async def test_init_after_the_last_host_left_begins_again(host: list[str], fake: FakeCoordinator, wish: Wish) -> None:
    fake.overview = msgspec.structs.replace(overview("succeeded"), cluster=None, hosts=())
    await init(wish, 30, "text")
    assert began(fake).first == "cp1"


async def test_a_second_init_follows_the_running_bootstrap(host: list[str], fake: FakeCoordinator, wish: Wish) -> None:
    fake.overview = overview("running")
    await init(wish, 30, "text")
    assert fake.requests("StartOperation") == fake.requests("ResumeOperation") == []
    assert len(fake.requests("WatchOperation")) == 1


@pytest.mark.parametrize("status", ["failed", "aborted"])
async def test_a_second_init_takes_up_what_stopped(
    host: list[str], fake: FakeCoordinator, wish: Wish, status: str
) -> None:
    fake.overview = overview(status)
    await init(wish, 30, "text")
    assert [request.id for request in fake.requests("ResumeOperation")] == ["bootstrap-1"]
    assert fake.requests("StartOperation") == []


@pytest.mark.parametrize("changes", [{}, {"kubernetes_version": "v1.36.2"}])
async def test_a_second_init_with_the_same_wish_resumes_with_what_is_ignored_now(
    host: list[str], fake: FakeCoordinator, wish: Wish, changes: dict[str, Any]
) -> None:
    fake.overview = overview("failed")
    await init(Wish(**{**vars(wish), "ignored": ("NumCPU",), **changes}), 30, "text")
    (request,) = fake.requests("ResumeOperation")
    assert (request.id, list(request.ignored_checks)) == ("bootstrap-1", ["NumCPU"])


async def test_a_second_init_with_another_wish_begins_with_that(
    host: list[str], fake: FakeCoordinator, wish: Wish, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.overview = overview("failed", Cluster("v1.36.2", vip=VirtualIP("10.0.0.100")))
    await init(Wish(**{**vars(wish), "vip": "10.0.0.101"}), 30, "text")
    assert began(fake).cluster.vip == VirtualIP("10.0.0.101")
    assert "begun anew with another vip" in capsys.readouterr().out


async def test_a_failed_bootstrap_tells_where_why_and_what_to_type(
    host: list[str], fake: FakeCoordinator, wish: Wish
) -> None:
    fake.states = [bootstrap("failed", error="[Swap] swap is on", hint="type swapoff -a")]
    with pytest.raises(KubefortError) as caught:
        await init(wish, 30, "text")
    assert caught.value.message == "Bootstrap kubernetes: [Swap] swap is on"
    assert caught.value.hint.splitlines() == [
        "type swapoff -a",
        "then take it up again: `kfctl operation resume bootstrap-1`",
    ]


async def test_flags_stand_above_the_file(host: list[str], fake: FakeCoordinator, wish: Wish, tmp_path: Path) -> None:
    config = tmp_path / "cluster.yaml"
    config.write_text(
        "apiVersion: kubefort.dev/v1\nkind: Cluster\nname: prod\nvip: {address: 10.0.0.7, vrid: 9}\n"
        "hosts:\n- {name: cp1, role: control-plane}\n- {name: w1, role: worker}\n"
    )
    changes = {"cluster_file": config, "vip": "10.0.0.8", "pod_subnets": ("10.1.0.0/16",)}
    await init(Wish(**{**vars(wish), **changes}), 30, "text")
    arguments = began(fake)
    assert arguments.cluster.name == "prod"
    assert arguments.cluster.vip == VirtualIP("10.0.0.8", vrid=9)
    assert arguments.cluster.pod_subnets == ("10.1.0.0/16",)
    assert [entry.name for entry in arguments.hosts] == ["cp1", "w1"]


WRONG = [
    ({"kubernetes_version": "v1.35.0"}, "no bundle of Kubernetes v1.35.0; at hand are v1.36.2"),
    ({"vip": "10.244.0.1"}, "vip.address: 10.244.0.1 lies inside podSubnets"),
    ({"service_subnets": ("10.244.0.0/16",)}, "overlaps podSubnets"),
    ({"bundles": (Path("/nonexistent"),)}, "/nonexistent is not a bundle"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG)
async def test_a_wrong_wish_begins_nothing(
    host: list[str], fake: FakeCoordinator, wish: Wish, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        await init(Wish(**{**vars(wish), **changes}), 30, "text")
    assert fake.requests("StartOperation") == fake.requests("Enrol") == []


async def test_a_host_that_the_file_does_not_name_is_refused(
    host: list[str], fake: FakeCoordinator, wish: Wish, tmp_path: Path
) -> None:
    config = tmp_path / "cluster.yaml"
    config.write_text("apiVersion: kubefort.dev/v1\nkind: Cluster\nhosts:\n- {name: a, role: control-plane}\n")
    with pytest.raises(InvalidInput, match="this host, cp1, is not one of its control-plane hosts"):
        await init(Wish(**{**vars(wish), "cluster_file": config}), 30, "text")
    assert host == []


async def test_two_inits_at_once_are_refused(host: list[str], wish: Wish) -> None:
    paths.RUN.mkdir()
    with (paths.RUN / "init.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="another `kfctl init` runs"):
            await init(wish, 30, "text")
    assert host == []


async def test_dry_run_without_a_coordinator_says_what_would_be_done(
    host: list[str], fake: FakeCoordinator, wish: Wish, capsys: pytest.CaptureFixture[str]
) -> None:
    await dry_init(wish, "json")
    (result,) = json_lines(capsys.readouterr().out)
    assert result["status"] == "dry-run"
    assert "make cluster kubernetes with Kubernetes v1.36.2" in str(result["steps"])
    assert (host, fake.asked) == ([], [])


async def test_the_newest_of_several_bundles_is_taken(fake: FakeCoordinator, wish: Wish) -> None:
    file = ClusterFile(api_version="kubefort.dev/v1", kind="Cluster")
    versions = ["v1.9.0", "v1.36.2", "v1.36.10", "v1.36.10-rc.1"]
    cluster, _ = wished_cluster(wish, file, versions)
    assert cluster.kubernetes_version == "v1.36.10"


async def test_a_member_of_another_cluster_begins_nothing(host: list[str], fake: FakeCoordinator, wish: Wish) -> None:
    Authority().identity("cp1").save(paths.IDENTITY)
    paths.AGENT_CONFIG.write_text("coordinator: [10.9.9.9:7444]\n")
    with pytest.raises(Refused, match="member of another cluster"):
        await init(wish, 30, "text")
    assert fake.asked == []


async def test_a_member_whom_the_coordinator_forgot_enrols_again(
    host: list[str], fake: FakeCoordinator, wish: Wish
) -> None:
    await init(wish, 30, "text")
    fake.failures["WatchOwnOperation"] = Refused("cp1 is not known (any more)")
    await init(wish, 30, "text")
    assert len(fake.requests("Enrol")) == 2
