"""A coordinator served on loopback with real TLS, and hosts that talk to it like agents."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from kubefort import document, files, identity
from kubefort.identity import Identity
from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check, Facts, NodeStatus
from kubefort.v1 import control_pb2, fleet_pb2
from kubefort.v1.control_pb2_grpc import ControlServiceStub
from kubefort.v1.fleet_pb2_grpc import EnrolmentServiceStub, FleetServiceStub
from kubefort.waiting import within
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.main import setup
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.server import Server

LONG = 120.0


@dataclass
class Host:
    """What an agent does, without a host: it agrees with every spec at once."""

    world: World
    name: str
    machine_id: str = ""
    address: str = "192.0.2.1"
    identity: Identity | None = None
    preflight: tuple[Check, ...] = ()
    version: str = "0.1.0"
    protocol: int = 1
    specs: list[NodeSpec] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    @property
    def facts(self) -> Facts:
        return Facts(hostname=self.name, machine_id=self.machine_id or f"machine-{self.name}", address=self.address)

    async def enrol(
        self, token: str, pin: str = "", offset: float = 0.0, bare: bool = False
    ) -> fleet_pb2.EnrolResponse:
        address = self.world.enrolment_address
        authority = await asyncio.to_thread(identity.fetch_authority, address, pin or self.world.pin, LONG)
        key = identity.new_key()
        async with identity.enrolment_channel(address, authority) as channel:
            answer = await EnrolmentServiceStub(channel).Enrol(
                fleet_pb2.EnrolRequest(
                    token=token,
                    certificate_request=identity.certificate_request(key, "whatever"),
                    facts=document.encode(self.facts),
                    version="test",
                    time=time.time() + offset,
                    bare=bare,
                ),
                timeout=LONG,
            )
        self.identity = Identity(key, answer.certificate, answer.authority)
        return answer

    @contextlib.asynccontextmanager
    async def stub(self) -> AsyncIterator[Any]:
        assert self.identity is not None
        async with identity.channel(self.world.fleet_address, self.identity) as channel:
            yield FleetServiceStub(channel)

    def start(self) -> None:
        """Connect, and connect again whenever the stream breaks."""
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                async with self.stub() as stub:
                    await self._talk(stub)
            await asyncio.sleep(0.02)

    async def _talk(self, stub: Any) -> None:
        call = stub.Connect()
        hello = fleet_pb2.Hello(version=self.version, protocol=self.protocol, time=time.time())
        await call.write(fleet_pb2.ConnectRequest(hello=hello))
        async for answer in call:
            spec = document.decode(answer.spec, NodeSpec, "spec")
            self.specs.append(spec)
            status = NodeStatus(spec.generation, True, self.facts, preflight=self.preflight)
            await call.write(fleet_pb2.ConnectRequest(status=document.encode(status)))


class World:
    """A coordinator's folder, its process (as far as a test sees it), an operator and hosts."""

    def __init__(self, folder: Path, table: dict[str, Kind] | None = None) -> None:
        self.folder = folder
        self.table = table
        self.patch: Callable[[Coordinator], None] = lambda coordinator: None
        key = identity.new_key()
        files.write(folder / "request", identity.certificate_request(key, "admin"))
        self.pin = setup(folder / "state", "127.0.0.1", folder / "request", folder / "operator")
        certificates = (folder / "operator").read_text()
        end = "-----END CERTIFICATE-----\n"
        leaf, authority, _ = (part + end for part in certificates.split(end))
        self.operator = Identity(key, leaf, authority)
        self.hosts: list[Host] = []
        self.enrolment_port = self.fleet_port = 0

    async def start(self) -> None:
        self.coordinator = Coordinator(
            self.folder / "state", enrolment_port=self.enrolment_port, fleet_port=self.fleet_port
        )
        self.patch(self.coordinator)
        self.server = Server(self.coordinator, self.table)
        await self.server.start("127.0.0.1")
        self.enrolment_port, self.fleet_port = self.coordinator.enrolment_port, self.coordinator.fleet_port

    async def stop(self) -> None:
        await self.server.stop()
        self.coordinator.close()

    async def close(self) -> None:
        tasks = [host.task for host in self.hosts if host.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.stop()

    @property
    def enrolment_address(self) -> str:
        return f"127.0.0.1:{self.enrolment_port}"

    @property
    def fleet_address(self) -> str:
        return f"127.0.0.1:{self.fleet_port}"

    def host(self, name: str, /, **settings: Any) -> Host:
        host = Host(self, name, address=f"192.0.2.{len(self.hosts) + 1}")
        for key, value in settings.items():
            setattr(host, key, value)
        self.hosts.append(host)
        return host

    @contextlib.asynccontextmanager
    async def control(self, who: Identity | None = None) -> AsyncIterator[Any]:
        async with identity.channel(self.fleet_address, who or self.operator) as channel:
            yield ControlServiceStub(channel)

    async def token(self, role: str = "control-plane", uses: int = 1) -> str:
        async with self.control() as stub:
            answer = await stub.CreateToken(control_pb2.CreateTokenRequest(role=role, uses=uses), timeout=LONG)
        return str(answer.token)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so; the coordinator tells of every change."""

        async def wait() -> None:
            while True:
                seen = self.coordinator.changed.count
                if condition():
                    return
                await self.coordinator.changed.wait(seen, 0.5)

        await within(LONG, wait())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    """A coordinator without a cluster."""
    result = World(folder)
    await result.start()
    yield result
    await result.close()
