"""The artifacts of an upgrade: control planes fetch them one after another, workers meanwhile."""

from __future__ import annotations

from pathlib import Path

from kubefort_coordinator.phases import DONE, Wait
from kubefort_coordinator.phases.upgrade import BringArtifacts

from tests.unit.coordinator.test_virtual_ip import HOSTS, Fleet

NEW = "v1.37.0"


def told(fleet: Fleet) -> list[str]:
    return [host.name for host in fleet.coordinator.records.hosts() if host.moving is not None]


async def test_one_control_plane_at_a_time_and_workers_at_once(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    try:
        await fleet.until_reported()
        for name in (*HOSTS, "w1"):
            fleet.coordinator.update_host(name, joined=True)
        await fleet.until_reported()
        fleet.deaf = {*HOSTS, "w1"}
        phase = BringArtifacts(version=NEW)
        order = []
        for name in HOSTS:
            assert isinstance(await phase.run(fleet.coordinator), Wait)
            order.append(told(fleet))
            fleet.take_up(name, fleet.coordinator.spec(name))
        assert order == [["cp1", "w1"], ["cp1", "cp2", "w1"], ["cp1", "cp2", "cp3", "w1"]]
        fleet.take_up("w1", fleet.coordinator.spec("w1"))
        assert await phase.run(fleet.coordinator) is DONE
    finally:
        await fleet.close()
