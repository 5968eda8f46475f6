"""Upgrades with real streams, fake etcd and API server: order, gates, drains, a coordinator that dies in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from kubefort.model.cluster import HostEntry
from kubefort.model.operation import DrainSettings, NodeArguments, OperationState, UpgradeArguments
from kubefort.model.spec import UPGRADE_STEPS
from kubefort.v1 import control_pb2
from kubefort_coordinator.phases import upgradehosts

from tests.integration.coordinator.conftest import LONG, World
from tests.integration.coordinator.fakes import Fakes, bundle
from tests.integration.coordinator.killing import Killer, live_through
from tests.integration.coordinator.running import Running, arguments

OLD, NEW = "v1.35.6", "v1.36.2"
PLANES = ("cp-1", "cp-2", "cp-3")
ENTRIES = (
    *(HostEntry(name, "control-plane") for name in PLANES),
    HostEntry("w-1", "worker"),
    HostEntry("w-2", "worker"),
)
EVERYBODY = tuple(entry.name for entry in ENTRIES)


@pytest.fixture
async def running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A cluster of the old version, and the new one's bundle."""
    monkeypatch.setattr(upgradehosts, "SETTLED_S", 0.0)
    monkeypatch.setattr(upgradehosts, "POLL_S", 0.02)
    world, fakes = World(folder), Fakes()
    world.patch = fakes.install
    await world.start()
    async with world.control() as stub:
        for version in (OLD, NEW):
            request = control_pb2.AddBundleRequest(folder=str(bundle(folder / version, version)))
            await stub.AddBundle(request, timeout=LONG)
    yield Running(world, fakes)
    await world.close()


async def cluster(running: Running, hosts: tuple[HostEntry, ...] = ENTRIES) -> None:
    state = await running.start("bootstrap", arguments(hosts, kubernetes_version=OLD))
    for entry in hosts:
        await running.join(entry.name, entry.role)
    assert (await running.end(state.id)).status == "succeeded"
    running.fakes.etcd.log.clear()


def wish(hosts: tuple[str, ...] = EVERYBODY, **changes: Any) -> UpgradeArguments:
    return UpgradeArguments(**{"version": NEW, "hosts": hosts, **changes})


async def upgrade(running: Running, wanted: UpgradeArguments) -> OperationState:
    return await running.end((await running.start("upgrade", wanted)).id)


def pod(name: str, node: str, owner: str = "ReplicaSet", **spec: Any) -> dict[str, Any]:
    owners = [{"kind": owner, "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "default", "ownerReferences": owners}
    return {"metadata": metadata, "spec": {"nodeName": node, **spec}, "status": {"phase": "Running"}}


def steps(running: Running, name: str) -> list[str]:
    """What the host was told, in order: versions, and how far it shall be on its way to the next."""
    host = next(host for host in running.world.hosts if host.name == name)
    told = [
        (s.cluster.kubernetes_version, s.upgrade.step if s.upgrade else "") for s in host.specs if s.stage == "node"
    ]
    return [f"{version} {step}".strip() for version, step in dict.fromkeys(told)]


async def test_every_host_goes_step_by_step_and_ends_in_the_new_version(running: Running) -> None:
    await cluster(running)
    state = await upgrade(running, wish())
    assert (state.status, state.error) == ("succeeded", "")
    for name in PLANES:
        way = [f"{OLD} {step}" for step in UPGRADE_STEPS]
        assert steps(running, name) == [OLD, *way, NEW]
    assert steps(running, "w-1") == [OLD, f"{OLD} artifacts", f"{OLD} node", NEW]
    coordinator = running.world.coordinator
    assert coordinator.records.need_cluster().cluster.kubernetes_version == NEW
    spec = coordinator.spec("w-1")
    assert spec.upgrade is None
    assert {a.ref for a in spec.artifacts if a.name == "kube-proxy"} == {f"registry.k8s.io/kube-proxy:{NEW}"}
    assert not any(host.moving or host.cordon or host.version for host in coordinator.records.hosts())


async def test_a_control_plane_moves_only_when_the_one_before_has_ended(running: Running) -> None:
    await cluster(running)
    await upgrade(running, wish())
    phases = running.world.coordinator.records.operations()[-1].state.phases
    hosts = [(phase.name, phase.host) for phase in phases if phase.host]
    order = ["hand-over", "upgrade-control-plane", "upgrade-etcd", "upgrade-nodes"]
    planes = [(name, host) for host in PLANES for name in order]
    assert hosts == [*planes, ("upgrade-nodes", "w-1"), ("upgrade-nodes", "w-2")]
    ends = [phase.ended for phase in phases]
    assert ends == sorted(ends)


async def test_the_leader_is_moved_before_its_member_restarts(running: Running) -> None:
    await cluster(running)
    await upgrade(running, wish())
    assert running.fakes.etcd.log[0] == "https://192.0.2.2:2380 leads"


async def test_a_copy_of_etcd_is_kept_and_nobody_else_may_read_it(running: Running) -> None:
    await cluster(running)
    await upgrade(running, wish())
    (copy,) = (running.world.folder / "state/snapshots").glob("*.db")
    assert copy.read_bytes()[:1024] == b"etcd" * 256
    assert copy.stat().st_mode & 0o777 == 0o600


async def test_objects_are_of_the_new_version(running: Running) -> None:
    await cluster(running)
    running.fakes.kubernetes.objects.clear()
    await upgrade(running, wish())
    objects = {(o["kind"], o["metadata"]["name"]): o for o in running.fakes.kubernetes.objects}
    assert NEW in objects[("ConfigMap", "kubeadm-config")]["data"]["ClusterConfiguration"]
    image = objects[("DaemonSet", "kube-proxy")]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image.endswith(NEW)


async def test_pods_leave_before_kubelet_changes_and_the_node_is_as_before(running: Running) -> None:
    await cluster(running)
    kubernetes = running.fakes.kubernetes
    kubernetes.nodes["w-2"]["spec"]["unschedulable"] = True
    kubernetes.pods += [pod("web", "w-1"), pod("agent", "w-1", "DaemonSet"), pod("job", "w-1")]
    kubernetes.pods[2]["status"]["phase"] = "Succeeded"
    assert (await upgrade(running, wish())).status == "succeeded"
    assert [line for line in kubernetes.log if "w-1" in line or "evict" in line or "delete" in line] == [
        "cordon w-1",
        "evict web",
        "uncordon w-1",
    ]
    assert not any("w-2" in line for line in kubernetes.log)
    assert kubernetes.nodes["w-2"]["spec"]["unschedulable"] is True


async def test_a_budget_is_waited_for_by_name_and_abort_puts_the_node_back(running: Running) -> None:
    await cluster(running)
    kubernetes, runner = running.fakes.kubernetes, running.world.server.runner
    kubernetes.pods.append(pod("web", "w-1"))
    kubernetes.budgets["web"] = "The disruption budget web needs 1 healthy pods and has 1 currently"
    id = (await running.start("upgrade", wish())).id
    sentence = "pod default/web to be evicted (The disruption budget web needs"
    await running.world.until(lambda: any(sentence in phase.waiting_for for phase in runner.state(id).phases))
    assert steps(running, "w-1")[-1] == f"{OLD} artifacts"
    async with running.world.control() as stub:
        await stub.AbortOperation(control_pb2.AbortOperationRequest(id=id), timeout=LONG)
    await running.world.until(lambda: kubernetes.log[-1] == "uncordon w-1")
    coordinator = running.world.coordinator
    assert coordinator.spec("cp-1").at("node").cluster.kubernetes_version == NEW
    assert coordinator.spec("w-1").at("node").cluster.kubernetes_version == OLD
    kubernetes.budgets.clear()
    again = await running.start("upgrade", wish())
    assert again.id == id
    assert (await running.end(id)).status == "succeeded"
    assert coordinator.spec("w-1").cluster.kubernetes_version == NEW


@pytest.mark.parametrize(
    ("settings", "status", "words"),
    [
        (DrainSettings(0.0), "failed", "not empty after 0 s, still waiting for pod default/web"),
        (DrainSettings(0.0, "delete"), "succeeded", "delete web"),
        (DrainSettings(0.0, "ignore"), "succeeded", ""),
    ],
)
async def test_what_happens_when_a_drain_is_late(
    running: Running, settings: DrainSettings, status: str, words: str
) -> None:
    await cluster(running, ENTRIES[:4])
    kubernetes = running.fakes.kubernetes
    kubernetes.pods.append(pod("web", "w-1"))
    kubernetes.budgets["web"] = "no"
    state = await upgrade(running, wish(EVERYBODY[:4], drain=settings))
    assert state.status == status
    assert words in f"{state.error} {kubernetes.log}"
    await running.world.until(lambda: kubernetes.log[-1] == "uncordon w-1")


async def test_pods_that_would_be_lost_stop_the_drain(running: Running) -> None:
    await cluster(running, ENTRIES[:4])
    kubernetes = running.fakes.kubernetes
    kubernetes.pods += [pod("bare", "w-1", ""), pod("cache", "w-1", volumes=[{"name": "a", "emptyDir": {}}])]
    state = await upgrade(running, wish(EVERYBODY[:4]))
    assert state.status == "failed"
    assert "default/bare belongs to nobody" in state.error
    assert "default/cache has data on the node" in state.error
    allowed = DrainSettings(local_data=True, unmanaged=True)
    assert (await upgrade(running, wish(EVERYBODY[:4], drain=allowed))).status == "succeeded"
    assert "evict bare" in kubernetes.log


async def test_workers_go_in_batches(running: Running) -> None:
    await cluster(running)
    state = await running.start("upgrade", wish(max_unavailable="100%"), dry_run=True)
    assert [phase.title for phase in state.phases if "w-1" in phase.title] == [
        f"Drain w-1, w-2 and upgrade kubelet to {NEW}"
    ]
    assert running.world.coordinator.records.need_cluster().upgrade is None


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"version": "v1.37.0"}, "no bundle for v1.37.0|one at a time"),
        ({"version": OLD}, "has v1.35.6 already"),
        ({"version": "v1.34.1"}, "older than v1.35.6"),
        ({"hosts": ("cp-1", "cp-9")}, "an upgrade is of all hosts"),
        ({"max_unavailable": "0"}, "no number of hosts"),
    ],
)
async def test_what_cannot_be_is_refused_before_it_begins(running: Running, wanted: dict[str, Any], words: str) -> None:
    await cluster(running, ENTRIES[:1])
    with pytest.raises(grpc.aio.AioRpcError, match=words):
        await running.start("upgrade", wish(**{"hosts": ("cp-1",), **wanted}))


async def test_a_sick_member_stops_the_next_host_and_says_so(running: Running) -> None:
    await cluster(running, ENTRIES[:3])
    runner = running.world.server.runner
    running.fakes.etcd.sick.add("https://192.0.2.3:2379")
    id = (await running.start("upgrade", wish(PLANES))).id
    await running.world.until(lambda: "etcd member" in runner.state(id).phases[0].waiting_for)
    assert steps(running, "cp-1") == [OLD]
    running.fakes.etcd.sick.clear()
    assert (await running.end(id)).status == "succeeded"


async def test_pause_ends_after_the_phase_and_resume_goes_on(running: Running) -> None:
    await cluster(running, ENTRIES[:4])
    kubernetes, runner = running.fakes.kubernetes, running.world.server.runner
    kubernetes.pods.append(pod("web", "cp-2"))
    kubernetes.budgets["web"] = "no"
    id = (await running.start("upgrade", wish(EVERYBODY[:4]))).id
    await running.world.until(lambda: any("default/web" in phase.waiting_for for phase in runner.state(id).phases))
    async with running.world.control() as stub:
        await stub.AbortOperation(control_pb2.AbortOperationRequest(id=id, pause=True), timeout=LONG)
    assert runner.state(id).status == "running"
    kubernetes.budgets.clear()
    assert (await running.end(id)).status == "paused"
    assert steps(running, "cp-2")[-1] == f"{OLD} own-etcd"
    assert steps(running, "cp-3")[-1] == f"{OLD} artifacts"
    runner.resume(id)
    assert (await running.end(id)).status == "succeeded"


async def test_killed_at_every_journal_entry_the_upgrade_ends_and_no_node_stays_cordoned(running: Running) -> None:
    hosts = (*ENTRIES[:2], ENTRIES[3])
    await cluster(running, hosts)
    world, fakes, killer = running.world, running.fakes, Killer()
    fakes.kubernetes.pods.append(pod("web", "w-1"))
    await world.stop()
    world.patch = killer.patch(fakes)
    await world.start()
    id = (await running.start("upgrade", wish(tuple(entry.name for entry in hosts)))).id
    ended = await live_through(world, id)
    assert (ended.status, ended.error) == ("succeeded", "")
    assert len(killer.seen) == 4 * len(ended.phases)
    assert {world.coordinator.spec(entry.name).cluster.kubernetes_version for entry in hosts} == {NEW}
    assert not any(node["spec"].get("unschedulable") for node in fakes.kubernetes.nodes.values())


async def test_a_node_is_drained_and_stays_cordoned_until_told_otherwise(running: Running) -> None:
    await cluster(running, (ENTRIES[0], ENTRIES[3]))
    kubernetes = running.fakes.kubernetes
    kubernetes.pods.append(pod("web", "w-1"))
    for kind, expected in (("drain", True), ("uncordon", None), ("cordon", True)):
        state = await running.end((await running.start(kind, NodeArguments("w-1"))).id)
        assert (state.status, state.error) == ("succeeded", "")
        assert kubernetes.nodes["w-1"]["spec"]["unschedulable"] is expected
    assert kubernetes.log == ["cordon w-1", "evict web", "uncordon w-1", "cordon w-1"]
