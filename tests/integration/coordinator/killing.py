"""Kills of a coordinator at its journal entries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from kubefort.model.operation import OperationState
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.records import OperationRecord

from tests.integration.coordinator.conftest import World
from tests.integration.coordinator.fakes import Fakes


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
