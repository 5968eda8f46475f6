"""The coordinator is killed at every journal entry of an operation."""

from __future__ import annotations

import pytest
from kubefort.model.operation import ResetArguments

from tests.integration.coordinator.killing import Killer, live_through, live_until_dead
from tests.integration.coordinator.running import ENTRIES, Running, arguments, running

__all__ = ["running"]


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
