"""Who gets the virtual IP and etcd's leadership before a control-plane host is upgraded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubefort.model.operation import UpgradeArguments
from kubefort_coordinator.etcd.client import Member, MemberStatus
from kubefort_coordinator.operations.upgrade import make_plan
from kubefort_coordinator.phases import DONE, Outcome, Wait
from kubefort_coordinator.phases.upgradehosts import HandOver

from tests.unit.coordinator.test_virtual_ip import HOSTS, Fleet

NEW = "v1.37.0"


class Etcd:
    """Members on cp1, cp2 and cp3 with ids 1, 2 and 3."""

    def __init__(self, leader: int = 1, sick: tuple[int, ...] = ()) -> None:
        self.leader, self.sick, self.moves = leader, sick, list[int]()

    async def __aenter__(self) -> Etcd:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def members(self, linearizable: bool = True) -> tuple[Member, ...]:
        def member(id: int) -> Member:
            return Member(id, f"cp{id}", (f"https://192.0.2.{id}:2380",), (f"https://192.0.2.{id}:2379",), False)

        return tuple(member(id) for id in (1, 2, 3))

    async def status(self, endpoint: str) -> MemberStatus:
        id = int(endpoint.rpartition(":")[0].rpartition(".")[2])
        errors = ("alarm",) if id in self.sick else ()
        return MemberStatus(endpoint, id, "3.6.13", 1, self.leader, 1, 1, False, errors)

    async def move_leader(self, id: int) -> None:
        self.moves.append(id)
        self.leader = id


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    result = Fleet(tmp_path)
    await result.until_reported()
    yield result
    await result.close()


async def hand_over(fleet: Fleet, host: str, etcd: Etcd) -> tuple[Outcome, str]:
    """The first outcome, and who holds the address once everybody has done as he was told."""
    coordinator: Any = fleet.coordinator
    coordinator.etcd = lambda *_: etcd
    first = outcome = await HandOver(host, NEW).run(coordinator)
    for _ in range(20):
        if outcome is DONE:
            break
        await coordinator.changed.wait(coordinator.changed.count, 0.1)
        outcome = await HandOver(host, NEW).run(coordinator)
    return first, fleet.holder


async def test_the_holder_gives_the_address_to_the_next(fleet: Fleet) -> None:
    first, holder = await hand_over(fleet, "cp1", Etcd())
    assert first == Wait("cp2 to take the virtual IP from cp1", 0.5)
    assert holder == "cp2"


async def test_who_does_not_hold_it_cannot_get_it_meanwhile(fleet: Fleet) -> None:
    first, holder = await hand_over(fleet, "cp2", Etcd())
    assert (first, holder) == (DONE, "cp1")
    assert {fleet.coordinator.spec(name).vip_holder for name in HOSTS} == {"cp1"}


async def test_a_host_whose_api_server_is_not_well_does_not_get_it(fleet: Fleet) -> None:
    fleet.sick.add("cp2")
    fleet.report("cp2")
    assert (await hand_over(fleet, "cp1", Etcd()))[1] == "cp3"


async def test_with_nobody_fit_it_waits_and_says_so(fleet: Fleet) -> None:
    fleet.sick |= {"cp2", "cp3"}
    for name in ("cp2", "cp3"):
        fleet.report(name)
    fleet.coordinator.etcd = lambda *_: Etcd()  # type: ignore[method-assign,assignment]
    outcome = await HandOver("cp1", NEW).run(fleet.coordinator)
    assert isinstance(outcome, Wait)
    assert "another host to be fit for the virtual IP (the API server of cp2 is not well" in outcome.what


@pytest.mark.parametrize(("leader", "moves"), [(1, [2]), (2, []), (3, [])])
async def test_only_a_leader_hands_its_leadership_over(fleet: Fleet, leader: int, moves: list[int]) -> None:
    etcd = Etcd(leader)
    await hand_over(fleet, "cp1", etcd)
    assert etcd.moves == moves


async def test_no_member_restarts_while_another_is_sick(fleet: Fleet) -> None:
    etcd = Etcd(sick=(3,))
    outcome, holder = await hand_over(fleet, "cp1", etcd)
    assert isinstance(outcome, Wait)
    assert "etcd to do without cp1 (of the other etcd members 1 are healthy, and 2 are needed)" in outcome.what
    assert (holder, etcd.moves) == ("cp1", [])


async def test_the_holders_turn_is_last_of_the_control_planes(fleet: Fleet) -> None:
    plan = make_plan(UpgradeArguments(NEW, (*HOSTS, "w1"), "1"), fleet.coordinator)
    assert plan.control_planes == ("cp2", "cp3", "cp1")
    assert plan.workers == (("w1",),)
