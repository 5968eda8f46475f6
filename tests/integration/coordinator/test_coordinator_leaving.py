"""Hosts that leave, are gone, or come back without their data."""

from __future__ import annotations

import grpc.aio
import msgspec
import pytest
from kubefort.model.cluster import HostEntry
from kubefort.model.operation import ResetArguments
from kubefort.model.status import Condition
from kubefort.v1 import fleet_pb2

from tests.integration.coordinator.running import ENTRIES, Running, arguments, events, running

__all__ = ["running"]


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
