"""A coordinator with a bundle, and hosts that join it: what tests of operations share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubefort import document
from kubefort.model.cluster import Cluster, HostEntry
from kubefort.model.operation import BootstrapArguments, OperationState
from kubefort.model.status import Event
from kubefort.v1 import control_pb2
from kubefort.waiting import within

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
