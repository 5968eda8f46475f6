"""The virtual IP leaves a host before its API server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kubefort_coordinator.phases import DONE
from kubefort_coordinator.phases.handover import LeaveVirtualIP

from tests.unit.coordinator.test_virtual_ip import Fleet


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(tmp_path)
    await asyncio.sleep(0)
    yield fleet
    await fleet.close()


async def leave(fleet: Fleet, host: str) -> str:
    """Run the phase until it is done; who is to hold the address then."""
    while await LeaveVirtualIP(host).run(fleet.coordinator) != DONE:
        await fleet.coordinator.changed.wait(fleet.coordinator.changed.count, 0.1)
    return fleet.coordinator.records.need_cluster().vip_holder


async def test_host_after_host_is_free_of_it_when_its_turn_comes(fleet: Fleet) -> None:
    for host, heir in (("cp1", "cp2"), ("cp2", "cp1"), ("cp3", "cp1")):
        assert await leave(fleet, host) == heir
        assert fleet.holder == heir


async def test_a_host_that_has_it_not_keeps_the_holder_where_it_is(fleet: Fleet) -> None:
    assert await leave(fleet, "cp2") == "cp1"
    assert fleet.holder == "cp1"


async def test_a_sick_host_is_no_heir(fleet: Fleet) -> None:
    fleet.coordinator.observer.disconnected("cp2")
    assert await leave(fleet, "cp1") == "cp3"


async def test_with_nobody_fit_it_stays(fleet: Fleet) -> None:
    for name in ("cp2", "cp3"):
        fleet.coordinator.observer.disconnected(name)
    assert await leave(fleet, "cp1") == ""
    assert fleet.holder == "cp1"
