"""Bootstrap, join and reset with real streams, fake etcd and API server, and a coordinator that dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import msgspec
import pytest
from kubefort import document, identity
from kubefort.model.cluster import Cluster, HostEntry, VirtualIP
from kubefort.model.operation import BootstrapArguments, OperationState, ResetArguments
from kubefort.model.status import Check, Condition, Event
from kubefort.v1 import control_pb2, fleet_pb2
from kubefort.waiting import within
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.records import OperationRecord

from tests.integration.coordinator.conftest import LONG, Host, World
from tests.integration.coordinator.fakes import Fakes, bundle

CONTROL_PLANES = ("cp-1", "cp-2", "cp-3")
ENTRIES = (
    *(HostEntry(name, "control-plane") for name in CONTROL_PLANES),
    HostEntry("w-1", "worker", labels={"a": "b"}),
)


@dataclass
class Running:
    """A world with a bundle and fakes."""

    world: World
    fakes: Fakes

    async def start(self, kind: str, arguments: Any, *, dry_run: bool = False) -> OperationState:
        async with self.world.control() as stub:
            answer = await stub.StartOperation(
                control_pb2.StartOperationRequest(kind=kind, arguments=document.encode(arguments), dry_run=dry_run),
                timeout=LONG,
            )
        return document.decode(answer.operation, OperationState, "operation")

    async def end(self, id: str) -> OperationState:
        async def watch() -> OperationState:
            async with self.world.control() as stub:
                async for answer in stub.WatchOperation(control_pb2.WatchOperationRequest(id=id)):
                    last = document.decode(answer.operation, OperationState, "operation")
            return last

        return await within(LONG, watch())

    async def join(self, name: str, role: str, **settings: Any) -> tuple[Host, str]:
        host = self.world.host(name, **settings)
        answer = await host.enrol(await self.world.token(role))
        host.start()
        return host, answer.operation_id

    async def bootstrap(self, hosts: tuple[HostEntry, ...] = ENTRIES) -> OperationState:
        state = await self.start("bootstrap", arguments(hosts))
        for entry in hosts:
            await self.join(entry.name, entry.role)
        return await self.end(state.id)


def arguments(hosts: tuple[HostEntry, ...] = ENTRIES, **cluster: Any) -> BootstrapArguments:
    settings = {"kubernetes_version": "v1.36.2", **cluster}
    return BootstrapArguments(cluster=Cluster(**settings), first="cp-1", hosts=hosts)


async def events(running: Running) -> list[Event]:
    async with running.world.control() as stub:
        answers = stub.WatchEvents(control_pb2.WatchEventsRequest())
        return [document.decode(answer.event, Event, "event") async for answer in answers]


@pytest.fixture
async def running(folder: Path) -> AsyncIterator[Running]:
    world, fakes = World(folder), Fakes()
    world.patch = fakes.install
    await world.start()
    async with world.control() as stub:
        await stub.AddBundle(control_pb2.AddBundleRequest(folder=str(bundle(folder / "bundle"))), timeout=LONG)
    yield Running(world, fakes)
    await world.close()


async def test_bootstrap_makes_a_cluster_of_all_hosts(running: Running) -> None:
    state = await running.bootstrap()
    assert (state.status, state.error) == ("succeeded", "")
    members = running.fakes.etcd.members_.values()
    assert [member.is_learner for member in members] == [False, False, False]
    assert running.fakes.etcd.log == [
        "add https://192.0.2.2:2380",
        "promote https://192.0.2.2:2380",
        "add https://192.0.2.3:2380",
        "promote https://192.0.2.3:2380",
    ]
    assert set(running.fakes.kubernetes.nodes) == {"cp-1", "cp-2", "cp-3", "w-1"}
    subnets = {node["spec"]["podCIDR"] for node in running.fakes.kubernetes.nodes.values()}
    assert len(subnets) == 4
    spec = running.world.coordinator.spec("cp-2")
    assert spec.stage == "node"
    assert spec.cluster.endpoint == "192.0.2.1:6443"
    assert spec.etcd is not None
    assert spec.etcd.initial_cluster_state == "existing"
    assert ("cp-2", "https://192.0.2.2:2380") in spec.etcd.initial_cluster
    assert {peer.name for peer in spec.peers} == {"cp-1", "cp-3", "w-1"}
    assert running.world.coordinator.spec("w-1").node.labels == {"a": "b"}


async def test_the_same_bootstrap_again_changes_nothing(running: Running) -> None:
    await running.bootstrap((HostEntry("cp-1", "control-plane"),))
    generation = running.world.coordinator.spec("cp-1").generation
    with pytest.raises(grpc.aio.AioRpcError, match="there is a cluster already on cp-1"):
        await running.start("bootstrap", arguments(ENTRIES))
    assert running.world.coordinator.spec("cp-1").generation == generation


async def test_hosts_are_named_that_a_bootstrap_waits_for(running: Running) -> None:
    state = await running.start("bootstrap", arguments())
    await running.join("cp-1", "control-plane")
    world = running.world
    await world.until(lambda: "cp-2, cp-3, w-1 to join" in world.server.runner.state(state.id).phases[0].waiting_for)
    with pytest.raises(grpc.aio.AioRpcError, match="is running"):
        await running.start("bootstrap", arguments((HostEntry("cp-1", "control-plane"),)))


async def test_all_failed_checks_are_one_report_and_can_be_mended(running: Running) -> None:
    hosts = ENTRIES[:2]
    state = await running.start("bootstrap", arguments(hosts))
    bad = (Check("Swap", "error", "swap is on", "swapoff -a"), Check("NumCPU", "warning", "few"))
    first, _ = await running.join("cp-1", "control-plane", preflight=bad)
    second, _ = await running.join("cp-2", "control-plane", preflight=bad)
    ended = await running.end(state.id)
    assert ended.status == "failed"
    assert "cp-1: [Swap] swap is on; swapoff -a" in ended.error
    assert "cp-2: [Swap]" in ended.error
    assert "NumCPU" not in ended.error
    assert {running.world.coordinator.records.need_host(host.name).stage for host in (first, second)} == {"enrolled"}
    first.preflight = second.preflight = ()
    again = await running.start("bootstrap", arguments(hosts))
    assert again.id == state.id
    assert (await running.end(state.id)).status == "succeeded"


async def test_warnings_of_the_checks_are_events(running: Running) -> None:
    hosts = ENTRIES[:1]
    state = await running.start("bootstrap", arguments(hosts))
    await running.join("cp-1", "control-plane", preflight=(Check("NumCPU", "warning", "one CPU", "add one"),))
    assert (await running.end(state.id)).status == "succeeded"
    said = [(each.host, each.reason, each.message) for each in await events(running)]
    assert ("cp-1", "PreflightWarning", "[NumCPU] one CPU; add one") in said


async def test_a_failed_join_is_taken_up_by_its_host_with_checks_ignored(running: Running) -> None:
    await running.bootstrap((HostEntry("cp-1", "control-plane"),))
    host, id = await running.join("w-1", "worker", preflight=(Check("Swap", "error", "swap is on"),))
    assert (await running.end(id)).status == "failed"
    async with host.stub() as stub:
        request = fleet_pb2.WatchOwnOperationRequest(resume=True, ignored_checks=["swap"])
        states = [each async for each in stub.WatchOwnOperation(request)]
    last = document.decode(states[-1].operation, OperationState, "own")
    assert (last.id, last.status) == (id, "succeeded")
    assert running.world.coordinator.spec("w-1").ignored_checks == ("swap",)


async def test_a_virtual_ip_brings_endpoint_and_key(running: Running) -> None:
    hosts = (HostEntry("cp-1", "control-plane"),)
    state = await running.start("bootstrap", arguments(hosts, vip=VirtualIP("192.0.2.100")))
    host, _ = await running.join("cp-1", "control-plane")
    assert (await running.end(state.id)).status == "succeeded"
    spec = running.world.coordinator.spec("cp-1")
    assert spec.cluster.endpoint == "192.0.2.100:6443"
    async with host.stub() as stub:
        answer = await stub.FetchSecret(fleet_pb2.FetchSecretRequest(name=spec.vip_keys[0].secret))
    assert len(answer.content) == 32


async def test_an_agent_of_the_minor_version_before_joins(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubefort_coordinator.services.fleet.PROTOCOL", 2)
    await running.bootstrap((HostEntry("cp-1", "control-plane"),))
    _, id = await running.join("w-1", "worker", version="0.0.9")
    assert (await running.end(id)).status == "succeeded"


@pytest.mark.parametrize(("protocol", "hint"), [(2, "upgrade the coordinator"), (0, "upgrade the agent of w-1")])
async def test_an_agent_of_another_protocol_is_refused_and_operators_hear_of_it_once(
    running: Running, protocol: int, hint: str
) -> None:
    await running.bootstrap((HostEntry("cp-1", "control-plane"),))
    host, id = await running.join("w-1", "worker", version="9.9.9", protocol=protocol)
    for _ in range(2):
        async with host.stub() as stub:
            with pytest.raises(grpc.aio.AioRpcError, match=f"9.9.9 of w-1 speaks protocol {protocol}") as caught:
                await host._talk(stub)
        assert identity.as_error(caught.value).hint == hint
    said = [each.message for each in await events(running) if each.reason == "ProtocolMismatch"]
    assert len(said) == 1
    host.protocol = 1
    assert (await running.end(id)).status == "succeeded"


async def test_the_manifests_of_a_pod_network_are_applied_in_order(running: Running) -> None:
    hosts = (HostEntry("cp-1", "control-plane"),)
    wanted = arguments(hosts, pod_network="manifest", pod_network_manifests=("a.yaml", "b.yaml"))
    with pytest.raises(grpc.aio.AioRpcError, match="did not come along"):
        await running.start("bootstrap", wanted)
    texts = [f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n" for name in ("net-a", "net-b")]
    state = await running.start("bootstrap", msgspec.structs.replace(wanted, manifests=tuple(texts)))
    await running.join("cp-1", "control-plane")
    assert (await running.end(state.id)).status == "succeeded"
    names = [each["metadata"]["name"] for each in running.fakes.kubernetes.objects]
    assert [name for name in names if name.startswith("net-")] == ["net-a", "net-b"]


async def test_hosts_join_a_running_cluster_one_after_another(running: Running) -> None:
    await running.bootstrap((HostEntry("cp-1", "control-plane"),))
    joins = [await running.join("cp-2", "control-plane"), await running.join("w-1", "worker")]
    for _, id in joins:
        assert (await running.end(id)).status == "succeeded"
    host = joins[1][0]
    async with host.stub() as stub:
        states = [each async for each in stub.WatchOwnOperation(fleet_pb2.WatchOwnOperationRequest())]
    assert document.decode(states[-1].operation, OperationState, "own").title == "Join w-1"


async def test_a_sick_member_keeps_others_out_and_says_so(running: Running) -> None:
    await running.bootstrap((HostEntry("cp-1", "control-plane"),))
    running.fakes.etcd.sick.add("https://192.0.2.1:2379")
    _, id = await running.join("cp-2", "control-plane")
    runner = running.world.server.runner
    await running.world.until(lambda: any("etcd has no quorum" in each.waiting_for for each in runner.state(id).phases))
    assert running.fakes.etcd.log == []
    running.fakes.etcd.sick.clear()
    assert (await running.end(id)).status == "succeeded"


async def test_reset_takes_a_host_out_and_revokes_it(running: Running) -> None:
    await running.bootstrap()
    world = running.world
    running.fakes.etcd.sick.add("https://192.0.2.2:2379")
    refused = await running.end((await running.start("reset", ResetArguments("cp-3"))).id)
    assert refused.status == "failed"
    assert "only 1 of 2 etcd members would be healthy" in refused.error
    assert "kfctl doctor" in refused.hint
    running.fakes.etcd.sick.clear()
    refused = await running.end((await running.start("reset", ResetArguments("cp-3"))).id)
    assert "etcd would have 2 members, and none could be lost any more" in refused.error
    assert "kfctl reset cp-3 --force" in refused.hint
    state = await running.start("reset", ResetArguments("cp-3", force=True))
    assert (state.id, refused.id) == ("reset-3", "reset-2")
    assert (await running.end(state.id)).status == "succeeded"
    assert running.fakes.etcd.log[-1] == "remove https://192.0.2.3:2380"
    assert running.fakes.kubernetes.deleted == ["cp-3"]
    host = world.hosts[2]
    assert host.specs[-1].stage == "absent"
    async with host.stub() as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="not known"):
            await stub.FetchSecret(fleet_pb2.FetchSecretRequest(name="pki/ca.crt"))
    assert {peer.name for peer in world.coordinator.spec("cp-1").peers} == {"cp-2", "w-1"}
    await world.hosts[2].enrol(await world.token("control-plane"))
    join = world.coordinator.records.operation_of("cp-3")
    assert join is not None
    assert (await running.end(join.state.id)).status == "succeeded"


async def test_with_the_last_host_the_cluster_goes_and_another_can_be_made(running: Running) -> None:
    hosts = (HostEntry("cp-1", "control-plane"),)
    await running.bootstrap(hosts)
    coordinator = running.world.coordinator
    old = coordinator.pki.cluster("kubernetes").certificate
    assert (await running.end((await running.start("reset", ResetArguments("cp-1"))).id)).status == "succeeded"
    assert coordinator.records.cluster() is None
    assert (running.world.folder / "state/retired-1/cluster/ca.crt").read_text() == old
    running.fakes.etcd.members_.clear()
    state = await running.start("bootstrap", arguments(hosts))
    await running.world.hosts[0].enrol(await running.world.token("control-plane"))
    assert (await running.end(state.id)).status == "succeeded"
    assert coordinator.pki.cluster("kubernetes").certificate != old


async def test_a_cluster_that_cannot_work_is_refused(running: Running) -> None:
    for wrong, words in (
        ({"service_subnets": ("10.244.0.0/20",)}, "overlap"),
        ({"kubernetes_version": "v1.35.6"}, "no bundle for v1.35.6"),
    ):
        with pytest.raises(grpc.aio.AioRpcError, match=words):
            await running.start("bootstrap", arguments(ENTRIES, **wrong))
    assert running.world.coordinator.records.operations() == []


async def test_the_host_behind_the_endpoint_stays_until_forced(running: Running) -> None:
    await running.bootstrap(ENTRIES[:2])
    with pytest.raises(grpc.aio.AioRpcError, match="is the endpoint by which"):
        await running.start("reset", ResetArguments("cp-1"))


async def test_a_control_plane_that_lost_its_data_joins_anew_in_place_of_its_old_member(running: Running) -> None:
    await running.bootstrap()
    world, etcd = running.world, running.fakes.etcd
    host, generation = world.hosts[2], world.coordinator.spec("cp-3").generation
    etcd.sick.add("https://192.0.2.3:2379")
    etcd.log.clear()
    answer = await host.enrol(await world.token("control-plane"), bare=True)
    assert (await running.end(answer.operation_id)).status == "succeeded"
    assert etcd.log == [f"{what} https://192.0.2.3:2380" for what in ("remove", "add", "promote")]
    spec = world.coordinator.spec("cp-3")
    assert (spec.stage, spec.generation > generation) == ("node", True)
    assert spec.etcd is not None
    assert spec.etcd.initial_cluster_state == "existing"
    assert {each.host for each in await events(running) if each.reason == "HostLost"} == {"cp-3"}


async def test_a_stale_member_stays_where_its_going_would_cost_the_quorum(running: Running) -> None:
    await running.bootstrap()
    for address in ("192.0.2.2", "192.0.2.3"):
        running.fakes.etcd.sick.add(f"https://{address}:2379")
    running.fakes.etcd.log.clear()
    answer = await running.world.hosts[2].enrol(await running.world.token("control-plane"), bare=True)
    ended = await running.end(answer.operation_id)
    assert ended.status == "failed"
    assert "still has the member that" in ended.error
    assert "etcd has no quorum: 1 of 3" in ended.error
    assert running.fakes.etcd.log == []


async def test_a_host_that_only_lost_its_identity_stays_what_it_is(running: Running) -> None:
    await running.bootstrap()
    running.fakes.etcd.log.clear()
    answer = await running.world.hosts[2].enrol(await running.world.token("control-plane"))
    assert answer.operation_id == ""
    assert running.world.coordinator.spec("cp-3").stage == "node"


async def test_a_cluster_whose_only_etcd_data_are_gone_is_not_joined(running: Running) -> None:
    await running.bootstrap((HostEntry("cp-1", "control-plane"),))
    token = await running.world.token("control-plane")
    with pytest.raises(grpc.aio.AioRpcError, match="kfctl reset cp-1 --force"):
        await running.world.hosts[0].enrol(token, bare=True)
    record = running.world.coordinator.records.token(token[:6])
    assert record is not None
    assert record.uses_left == 1


async def test_a_member_that_cannot_be_spared_is_not_even_begun_with(running: Running) -> None:
    await running.bootstrap()
    host, coordinator = running.world.hosts[2], running.world.coordinator
    status = coordinator.observer.sight("cp-3").status
    assert status is not None
    coordinator.observer.status("cp-3", msgspec.structs.replace(status, conditions=(Condition("etcd", True),)))
    with pytest.raises(grpc.aio.AioRpcError, match="kfctl reset cp-3 --force"):
        await running.start("reset", ResetArguments("cp-3"), dry_run=True)
    assert [each.state.kind for each in coordinator.records.operations()] == ["bootstrap"]
    assert host.specs[-1].stage == "node"


async def test_a_host_that_is_gone_is_waited_for_until_forced(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubefort_coordinator.phases.leave.GONE_S", 0.0)
    await running.bootstrap()
    task = running.world.hosts[3].task
    assert task is not None
    task.cancel()
    runner = running.world.server.runner
    id = (await running.start("reset", ResetArguments("w-1"))).id
    await running.world.until(lambda: "kfctl reset --force" in runner.state(id).phases[1].waiting_for)
    forced = await running.end((await running.start("reset", ResetArguments("w-1", force=True))).id)
    assert forced.status == "succeeded"
    assert runner.state(id).status == "aborted"
    assert running.fakes.kubernetes.deleted == ["w-1"]


async def test_a_dry_run_lists_the_phases_and_begins_nothing(running: Running) -> None:
    state = await running.start("bootstrap", arguments(), dry_run=True)
    assert "Add cp-2 to etcd" in [phase.title for phase in state.phases]
    assert running.world.coordinator.records.operations() == []
    assert running.world.coordinator.records.cluster() is None


async def test_artifacts_come_from_the_offset_asked_for(running: Running) -> None:
    await running.start("bootstrap", arguments())
    host, _ = await running.join("cp-1", "control-plane")
    artifact = running.world.coordinator.artifacts()[0]
    async with host.stub() as stub:
        request = fleet_pb2.FetchArtifactRequest(sha256=artifact.sha256, offset=artifact.size - 3)
        assert b"".join([answer.chunk async for answer in stub.FetchArtifact(request)]) == b"6.2"
        with pytest.raises(grpc.aio.AioRpcError, match="no bundle has"):
            [each async for each in stub.FetchArtifact(fleet_pb2.FetchArtifactRequest(sha256="../../etc/passwd"))]


class Killed(BaseException):
    """What a phase cannot catch, as it could not catch SIGKILL."""


class Killer:
    """Kills a coordinator once before and once after each different journal entry, from the first phase's end on."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, ...]] = set()

    def install(self, coordinator: Coordinator) -> None:
        write = coordinator.records.put_operation

        def put(record: OperationRecord) -> None:
            entry = (record.state.status, *(phase.status for phase in record.state.phases))
            begun = {*entry} != {"running", "pending"}
            if begun:
                self._die_once("before", *entry)
            write(record)
            if begun:
                self._die_once("after", *entry)

        coordinator.records.put_operation = put  # type: ignore[method-assign]

    def patch(self, fakes: Fakes) -> Callable[[Coordinator], None]:
        def both(coordinator: Coordinator) -> None:
            fakes.install(coordinator)
            self.install(coordinator)

        return both

    def _die_once(self, *where: str) -> None:
        if where not in self.seen:
            self.seen.add(where)
            raise Killed


async def live_until_dead(world: World) -> None:
    """Wait for the first death, and start the coordinator again until it lives."""
    while True:
        loop = world.server._loop
        assert loop is not None
        done, _ = await asyncio.wait({loop}, timeout=0.5)
        if not done:
            return
        await world.stop()
        await world.start()


async def live_through(world: World, id: str) -> OperationState:
    """Start the coordinator again whenever it died, until the operation has ended."""
    for _ in range(200):
        loop = world.server._loop
        assert loop is not None
        await asyncio.wait({loop, asyncio.ensure_future(running_end(world, id))}, return_when=asyncio.FIRST_COMPLETED)
        if not loop.done():
            break
        await world.stop()
        await world.start()
    return world.server.runner.state(id)


async def running_end(world: World, id: str) -> None:
    await world.until(lambda: world.server.runner.state(id).status != "running")


@pytest.mark.parametrize("kind", ["bootstrap", "join", "reset"])
async def test_killed_at_every_journal_entry_it_ends_with_the_same_cluster(running: Running, kind: str) -> None:
    world, fakes, killer = running.world, running.fakes, Killer()
    if kind != "bootstrap":
        await running.bootstrap(ENTRIES[:1] if kind == "join" else ENTRIES)
    await world.stop()
    world.patch = killer.patch(fakes)
    await world.start()
    if kind == "join":
        _, id = await running.join("cp-2", "control-plane")
    elif kind == "reset":
        id = (await running.start("reset", ResetArguments("cp-3", force=True))).id
    else:
        id = (await running.start("bootstrap", arguments(ENTRIES[:2]))).id
        await live_until_dead(world)
        for entry in ENTRIES[:2]:
            await running.join(entry.name, entry.role)
    ended = await live_through(world, id)
    assert (ended.status, ended.error) == ("succeeded", "")
    assert len(killer.seen) == 4 * len(ended.phases)
    names = {"reset": {"cp-1", "cp-2", "w-1"}}.get(kind, {"cp-1", "cp-2"})
    assert {host.name for host in world.coordinator.records.hosts()} == names
    assert {world.coordinator.spec(name).stage for name in names} == {"node"}
    members = fakes.etcd.members_.values()
    assert sorted(member.peer_urls[0] for member in members) == ["https://192.0.2.1:2380", "https://192.0.2.2:2380"]
    assert not any(member.is_learner for member in members)
