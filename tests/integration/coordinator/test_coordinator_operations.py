"""Bootstrap, join and reset with real streams, fake etcd and API server, and a coordinator that dies in between."""

from __future__ import annotations

import grpc.aio
import msgspec
import pytest
from kubefort import document, identity
from kubefort.model.cluster import HostEntry, VirtualIP
from kubefort.model.operation import OperationState
from kubefort.model.status import Check
from kubefort.v1 import fleet_pb2

from tests.integration.coordinator.running import ENTRIES, Running, arguments, events, running

__all__ = ["running"]


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
