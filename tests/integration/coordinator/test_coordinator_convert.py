"""Conversion of run modes with real streams and fake etcd and API servers."""

from __future__ import annotations

import grpc.aio
import pytest
from kubefort.model.cluster import ComponentSettings, RunMode
from kubefort.model.operation import ConvertArguments
from kubefort_coordinator.specs import run_modes

from tests.integration.coordinator.killing import Killer, live_through
from tests.integration.coordinator.running import CONTROL_PLANES, ENTRIES, Running, arguments, running

__all__ = ["running"]


def convert(*components: str, to: RunMode = "systemd", hosts: tuple[str, ...] = ()) -> ConvertArguments:
    return ConvertArguments(components, to, hosts or CONTROL_PLANES, whole=not hosts)


def modes(running: Running, component: str) -> list[RunMode]:
    coordinator = running.world.coordinator
    cluster = coordinator.records.need_cluster().cluster
    return [run_modes(cluster, coordinator.records.need_host(name))[component] for name in CONTROL_PLANES]


async def test_hosts_are_converted_one_after_another_and_the_leader_hands_over(running: Running) -> None:
    await running.bootstrap()
    coordinator = running.world.coordinator
    order: list[tuple[str, str]] = []
    update = coordinator.update_host

    def noted(name: str, **changes: object) -> None:
        if "run_modes" in changes:
            order.append((name, next(reversed(dict(changes["run_modes"])))))  # type: ignore[call-overload]
        update(name, **changes)

    coordinator.update_host = noted  # type: ignore[method-assign]
    running.fakes.etcd.log.clear()
    state = await running.start("convert", convert("kube-apiserver", "etcd"))
    ended = await running.end(state.id)
    assert (ended.status, ended.error) == ("succeeded", "")
    assert order == [(name, component) for name in CONTROL_PLANES for component in ("kube-apiserver", "etcd")]
    assert running.fakes.etcd.log[0] == "https://192.0.2.2:2380 leads"
    cluster = coordinator.records.need_cluster().cluster
    assert (cluster.component("etcd").run_mode, cluster.component("kube-scheduler").run_mode) == (
        "systemd",
        "static-pod",
    )
    assert all(not host.run_modes for host in coordinator.records.hosts())
    spec = coordinator.spec("cp-2")
    assert {each.name for each in spec.artifacts if each.kind == "binary"} >= {"etcd", "kube-apiserver"}
    assert "kube-scheduler" not in {each.name for each in spec.artifacts if each.kind == "binary"}


async def test_one_host_alone_keeps_its_own_mode(running: Running) -> None:
    await running.bootstrap()
    state = await running.start("convert", convert("kube-scheduler", to="docker", hosts=("cp-2",)))
    assert (await running.end(state.id)).status == "succeeded"
    assert modes(running, "kube-scheduler") == ["static-pod", "docker", "static-pod"]
    back = await running.start("convert", convert("kube-scheduler", to="static-pod"))
    assert (await running.end(back.id)).status == "succeeded"
    assert modes(running, "kube-scheduler") == ["static-pod"] * 3


async def test_no_member_is_stopped_that_etcd_cannot_spare_and_an_abort_leaves_a_way_back(running: Running) -> None:
    await running.bootstrap()
    running.fakes.etcd.sick.add("https://192.0.2.2:2379")
    runner = running.world.server.runner
    id = (await running.start("convert", convert("etcd"))).id
    await running.world.until(
        lambda: "1 are healthy, and 2 are needed" in runner.state(id).phases[0].waiting_for,
    )
    assert modes(running, "etcd") == ["static-pod"] * 3
    runner.abort(id)
    running.fakes.etcd.sick.clear()
    again = await running.start("convert", convert("etcd"))
    assert again.id == id
    assert (await running.end(id)).status == "succeeded"
    assert modes(running, "etcd") == ["systemd"] * 3


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (convert("kube-proxy"), "kube-proxy cannot be converted"),
        (convert("etcd", hosts=("w-1",)), "w-1: no control-plane host of this cluster, there are cp-1, cp-2, cp-3"),
        (convert("kube-controller-manager"), "the bundle of v1.36.2 has no programs of kube-controller-manager"),
        (ConvertArguments(("etcd",), "docker", ("cp-1",), whole=True), "cp-2, cp-3 joined meanwhile"),
        (ConvertArguments((), "docker", ("cp-1",)), "nothing is named"),
    ],
)
async def test_what_cannot_be_converted_is_refused(running: Running, wanted: ConvertArguments, words: str) -> None:
    await running.bootstrap(ENTRIES)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.start("convert", wanted)
    assert words in (caught.value.details() or "").replace("\n", ", ")
    assert [each.state.kind for each in running.world.coordinator.records.operations()].count("convert") == 0


async def test_a_bootstrap_with_units_needs_their_programs(running: Running) -> None:
    components = {"kube-controller-manager": ComponentSettings(run_mode="systemd")}
    with pytest.raises(grpc.aio.AioRpcError, match="has no programs of kube-controller-manager"):
        await running.start("bootstrap", arguments(components=components))


async def test_a_dry_run_reads_as_what_would_happen(running: Running) -> None:
    await running.bootstrap()
    state = await running.start("convert", convert("etcd", "kube-scheduler", to="docker"), dry_run=True)
    titles = [phase.title for phase in state.phases]
    assert titles[:2] == ["Run etcd of cp-1 as docker", "Run kube-scheduler of cp-1 as docker"]
    assert titles[-1] == "Record that etcd, kube-scheduler run as docker"


async def test_killed_at_every_journal_entry_it_ends_converted(running: Running) -> None:
    world, killer = running.world, Killer()
    await running.bootstrap()
    await world.stop()
    world.patch = killer.patch(running.fakes)
    await world.start()
    id = (await running.start("convert", convert("etcd", "kube-scheduler"))).id
    ended = await live_through(world, id)
    assert (ended.status, ended.error) == ("succeeded", "")
    assert len(killer.seen) == 4 * len(ended.phases)
    assert modes(running, "etcd") == modes(running, "kube-scheduler") == ["systemd"] * 3
