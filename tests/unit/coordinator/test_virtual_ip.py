"""Moves of the virtual IP and changes of its key, with hosts that do at once what the specs say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kubefort.errors import Refused
from kubefort.model.cluster import Cluster, VirtualIP
from kubefort.model.operation import OperationState, ResetArguments, VipMoveArguments, VipRotateKeyArguments
from kubefort.model.spec import NodeSpec, VipKey
from kubefort.model.status import Facts, NodeStatus
from kubefort.vipfile import HealthStatus, VipStatus
from kubefort.waiting import within
from kubefort_coordinator import schedule, virtualip
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import kinds
from kubefort_coordinator.operations.runner import Runner
from kubefort_coordinator.records import ClusterRecord, HostRecord, Settings

HOSTS = ("cp1", "cp2", "cp3")


class Fleet:
    """Three control-plane hosts. `deaf` do not take up new specs, `gone` are not connected, `sick` are not healthy."""

    def __init__(self, folder: Path, *, keys: bool = True, vip: bool = True) -> None:
        self.now = 1_800_000_000.0
        self.coordinator = Coordinator(folder, clock=lambda: self.now)
        records = self.coordinator.records
        records.put_settings(Settings("192.0.2.1"))
        self.coordinator.pki.ensure_vip_key(1)
        records.put_cluster(
            ClusterRecord(
                Cluster("v1.36.2", vip=VirtualIP("192.0.2.100") if vip else None),
                "cp1",
                bootstrapped=True,
                vip_keys=(VipKey(1, "vip-key-1"),) if keys else (),
                vip_rotated=self.now,
            )
        )
        for index, name in enumerate((*HOSTS, "w1")):
            facts = Facts(hostname=name, machine_id=name, address=f"192.0.2.{index + 1}")
            role = "worker" if name == "w1" else "control-plane"
            records.put_host(HostRecord(name, role, facts.address, facts, index, stage="node"))  # type: ignore[arg-type]
            self.coordinator.observer.connected(name)
        self.coordinator.publish()
        self.holder = "cp1"
        self.deaf: set[str] = set()
        self.sick: set[str] = set()
        self.history: list[tuple[str, tuple[int, ...], int | None, str]] = []
        self.runner = Runner(self.coordinator, kinds())
        self.tasks = [asyncio.create_task(self.runner.run()), asyncio.create_task(self.obey())]

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
        self.coordinator.close()

    async def obey(self) -> None:
        """Every host takes up every spec, each at its own time."""
        done: dict[str, NodeSpec] = {}
        while True:
            seen = self.coordinator.changed.count
            for name in (*HOSTS, "w1"):
                spec = self.coordinator.spec(name)
                if name not in self.deaf and done.get(name) != spec:
                    done[name] = spec
                    self.take_up(name, spec)
            await self.coordinator.changed.wait(seen)

    def take_up(self, name: str, spec: NodeSpec) -> None:
        if spec.vip_holder == name and name not in self.sick and self.holder != name:
            former, self.holder = self.holder, name
            self.report(former)
        self.report(name, spec)

    def report(self, name: str, spec: NodeSpec | None = None, **changes: Any) -> None:
        spec = spec or self.coordinator.spec(name)
        vip = msgspec.to_builtins(msgspec.structs.replace(self.vip(name, spec), **changes))
        if name != "w1" and (not self.history or self.history[-1][1:] != self.state(spec)):
            self.history.append((name, *self.state(spec)))
        status = NodeStatus(spec.generation, True, self.coordinator.records.need_host(name).facts, vip=vip)
        self.coordinator.observer.status(name, status if name != "w1" else msgspec.structs.replace(status, vip={}))

    def state(self, spec: NodeSpec) -> tuple[tuple[int, ...], int | None, str]:
        sent = (
            None if not spec.vip_keys or spec.vip_auth == "receive-only" else spec.vip_send_key or spec.vip_keys[-1].id
        )
        return tuple(key.id for key in spec.vip_keys), sent, spec.vip_auth if spec.vip_keys else "off"

    def vip(self, name: str, spec: NodeSpec) -> VipStatus:
        ids, sent, mode = self.state(spec)
        return VipStatus(
            state="active" if self.holder == name else "backup",
            holder=self.holder == name,
            reason="a reason",
            since_s=1,
            interface="eth0",
            addresses=("192.0.2.100/32",),
            vrid=51,
            version=3,
            priority=254,
            effective_priority=254,
            interval_ms=100,
            active="",
            transitions=0,
            sent=0,
            received=0,
            lost=0,
            rejected={},
            peers=(),
            auth_mode=mode,  # type: ignore[arg-type]
            auth_send_key_id=sent,
            auth_key_ids=ids,
            health=HealthStatus(healthy=name not in self.sick, reason="answers 200"),
        )

    async def until_reported(self) -> None:
        while any(self.coordinator.observer.sight(name).status is None for name in HOSTS):
            await self.coordinator.changed.wait(self.coordinator.changed.count)

    async def end(self, id: str) -> OperationState:
        return [state async for state in self.runner.watch(id)][-1]

    async def waits(self, id: str, what: str = "") -> None:
        """Until an operation waits, for `what` where that is given."""

        async def wait() -> None:
            async for state in self.runner.watch(id):
                if any(
                    phase.waiting_for and (what or phase.waiting_for) == phase.waiting_for for phase in state.phases
                ):
                    return
            raise AssertionError(f"{id} ended: {self.runner.state(id)}")

        await within(30.0, wait())

    @property
    def record(self) -> ClusterRecord:
        return self.coordinator.records.need_cluster()


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    result = Fleet(tmp_path)
    await result.until_reported()
    yield result
    await result.close()


@pytest.fixture
async def without_keys(tmp_path: Path) -> AsyncIterator[Fleet]:
    result = Fleet(tmp_path, keys=False)
    await result.until_reported()
    yield result
    await result.close()


async def test_a_move_prefers_the_host_until_it_holds_the_address_and_no_longer(fleet: Fleet) -> None:
    state = await fleet.end(fleet.runner.begin("vip-move", VipMoveArguments("cp3")).id)
    assert (state.status, state.title) == ("succeeded", "Move the virtual IP to cp3")
    assert fleet.holder == "cp3"
    assert [fleet.coordinator.spec(name).vip_holder for name in HOSTS] == ["", "", ""]
    assert fleet.coordinator.spec("w1").generation == 1


async def test_without_a_name_the_next_fit_host_takes_it(fleet: Fleet) -> None:
    fleet.sick.add("cp2")
    fleet.report("cp2")
    await fleet.end(fleet.runner.begin("vip-move", VipMoveArguments()).id)
    assert fleet.holder == "cp3"
    await fleet.end(fleet.runner.begin("vip-move", VipMoveArguments()).id)
    assert fleet.holder == "cp1"


async def test_a_move_to_the_holder_changes_nothing(fleet: Fleet) -> None:
    assert (await fleet.end(fleet.runner.begin("vip-move", VipMoveArguments("cp1")).id)).status == "succeeded"
    assert [fleet.coordinator.spec(name).generation for name in HOSTS] == [1, 1, 1]


async def test_a_move_says_what_it_waits_for_and_when_aborted_leaves_no_preference(fleet: Fleet) -> None:
    fleet.deaf.add("cp2")
    id = fleet.runner.begin("vip-move", VipMoveArguments("cp2")).id
    await fleet.waits(id, "cp2 to take the virtual IP")
    assert fleet.coordinator.spec("cp2").vip_holder == "cp2"
    fleet.runner.abort(id)
    assert fleet.coordinator.spec("cp2").vip_holder == ""
    assert fleet.holder == "cp1"


async def test_a_move_waits_for_the_former_holder_to_let_go(fleet: Fleet) -> None:
    fleet.deaf.add("cp2")
    id = fleet.runner.begin("vip-move", VipMoveArguments("cp2")).id
    await fleet.waits(id)
    fleet.report("cp2", holder=True)
    await fleet.waits(id, "cp1 to let go of the virtual IP")
    fleet.report("cp1", holder=False)
    assert (await fleet.end(id)).status == "succeeded"


async def test_a_move_is_refused_where_it_cannot_end_well(fleet: Fleet) -> None:
    fleet.sick.add("cp2")
    fleet.report("cp2")
    fleet.coordinator.observer.disconnected("cp3")
    for host, why in (
        ("cp2", "the API server of cp2 is not well"),
        ("cp3", "the agent of cp3 is not connected"),
        ("w1", "w1 is not a control-plane host"),
        ("", "no other host is fit"),
        ("cp9", "there is no host cp9"),
    ):
        with pytest.raises(Refused, match=why):
            fleet.runner.begin("vip-move", VipMoveArguments(host))
    assert fleet.coordinator.records.operations() == []


async def test_without_a_virtual_ip_there_is_nothing_to_steer(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, vip=False)
    for kind, arguments in (("vip-move", VipMoveArguments()), ("vip-rotate-key", VipRotateKeyArguments())):
        with pytest.raises(Refused, match="no virtual IP"):
            fleet.runner.begin(kind, arguments)
    assert not schedule.rotation_due(fleet.coordinator)
    await fleet.close()


async def test_a_key_is_accepted_by_all_before_any_uses_it_and_used_by_all_before_the_old_one_goes(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.history.clear()
    fleet.now += 5
    state = await fleet.end(fleet.runner.begin("vip-rotate-key", VipRotateKeyArguments()).id)
    assert state.status == "succeeded", state
    assert [(ids, sent, mode) for _, ids, sent, mode in fleet.history] == [
        ((1, 2), 1, "enforce"),
        ((1, 2), 2, "enforce"),
        ((2,), 2, "enforce"),
    ]
    assert fleet.record.vip_rotated == fleet.now
    assert sorted(path.name for path in (tmp_path / "secrets").iterdir()) == ["vip-key-2"]
    assert "VipKeyRotated" in [event.reason for _, event in fleet.coordinator.records.events()]


async def test_a_host_that_does_not_take_the_key_up_stops_the_change_before_it_is_used(fleet: Fleet) -> None:
    fleet.deaf.add("cp2")
    id = fleet.runner.begin("vip-rotate-key", VipRotateKeyArguments()).id
    await fleet.waits(id, "cp2 to take up generation 2")
    assert (fleet.record.vip_send_key, len(fleet.record.vip_keys)) == (1, 2)
    fleet.runner.abort(id)
    fleet.deaf.clear()
    assert fleet.runner.begin("vip-rotate-key", VipRotateKeyArguments()).id == id
    assert (await fleet.end(id)).status == "succeeded"
    assert [key.id for key in fleet.record.vip_keys] == [2]


async def test_what_was_written_is_not_believed_before_kubefort_vip_says_it(fleet: Fleet) -> None:
    fleet.deaf.add("cp2")
    id = fleet.runner.begin("vip-rotate-key", VipRotateKeyArguments()).id
    await fleet.waits(id)
    fleet.report("cp2", auth_key_ids=(1,))
    await fleet.waits(id, "kubefort-vip on cp2 to accept key 2")
    fleet.deaf.clear()
    fleet.coordinator.changed.notify()
    assert (await fleet.end(id)).status == "succeeded"


async def test_from_no_authentication_to_all_in_steps_that_always_understand_each_other(without_keys: Fleet) -> None:
    fleet = without_keys
    fleet.history.clear()
    state = await fleet.end(fleet.runner.begin("vip-rotate-key", VipRotateKeyArguments()).id)
    assert state.status == "succeeded", state
    assert [(ids, sent, mode) for _, ids, sent, mode in fleet.history] == [
        ((1,), None, "receive-only"),
        ((1,), 1, "permissive"),
        ((1,), 1, "enforce"),
    ]


async def test_a_reset_does_not_wait_for_a_change_of_the_key(fleet: Fleet) -> None:
    fleet.deaf.add("cp3")
    id = fleet.runner.begin("vip-rotate-key", VipRotateKeyArguments()).id
    await fleet.waits(id)
    reset = fleet.runner.begin("reset", ResetArguments("cp3")).id
    assert fleet.runner.state(id).status == "aborted"
    fleet.runner.abort(reset)


async def test_the_key_is_due_when_it_is_a_month_old_and_all_are_there(fleet: Fleet) -> None:
    assert not schedule.rotation_due(fleet.coordinator)
    fleet.now += schedule.ROTATE_AFTER_S + 1
    assert schedule.rotation_due(fleet.coordinator)
    fleet.coordinator.observer.disconnected("cp2")
    assert not schedule.rotation_due(fleet.coordinator)
    fleet.coordinator.observer.connected("cp2")
    fleet.deaf.add("cp3")
    id = fleet.runner.begin("vip-rotate-key", VipRotateKeyArguments()).id
    assert not schedule.rotation_due(fleet.coordinator)
    fleet.runner.abort(id)


async def test_the_schedule_begins_what_is_due(fleet: Fleet) -> None:
    fleet.now += schedule.ROTATE_AFTER_S + 1
    task = asyncio.create_task(schedule.keep(fleet.coordinator, fleet.runner, 0.0))
    while fleet.record.vip_send_key != 2 or fleet.runner.states()[-1].status != "succeeded":
        await fleet.coordinator.changed.wait(fleet.coordinator.changed.count, 0.1)
    task.cancel()
    assert [state.kind for state in fleet.runner.states()] == ["vip-rotate-key"]


def test_key_ids_go_round_and_never_meet_one_in_use() -> None:
    assert virtualip.free_key_id(()) == 1
    assert virtualip.free_key_id((VipKey(7, "a"),)) == 8
    assert virtualip.free_key_id((VipKey(1, "b"), VipKey(255, "a"))) == 2
