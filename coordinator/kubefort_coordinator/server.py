"""The two ports: enrolment (server certificate only) and fleet (both sides show one)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import grpc
import grpc.aio
from kubefort import log
from kubefort.errors import KubefortError
from kubefort.v1.control_pb2_grpc import add_ControlServiceServicer_to_server
from kubefort.v1.fleet_pb2_grpc import add_EnrolmentServiceServicer_to_server, add_FleetServiceServicer_to_server

from kubefort_coordinator import cordons, schedule
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind, kinds
from kubefort_coordinator.operations.runner import Runner
from kubefort_coordinator.services.access import Gate
from kubefort_coordinator.services.control import Control
from kubefort_coordinator.services.enrolment import Enrolment
from kubefort_coordinator.services.fleet import Fleet

LOG = log.get("server")

_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.so_reuseport", 0),
)


_LENGTH = "grpc.max_receive_message_length"

RENEWED_S = 182 * 86400.0


class Server:
    """Serves a coordinator and runs its operations. Ports of 0 are chosen by the system and written back to it."""

    def __init__(self, coordinator: Coordinator, table: dict[str, Kind] | None = None) -> None:
        self._coordinator = coordinator
        table = kinds() if table is None else table
        self.runner = Runner(coordinator, table)
        gate = Gate(coordinator.records)
        # Everybody may talk to the one, so it listens to nothing long.
        self._enrolment = grpc.aio.server(interceptors=(gate,), options=(*_OPTIONS, (_LENGTH, 256 << 10)))
        self._fleet = grpc.aio.server(interceptors=(gate,), options=(*_OPTIONS, (_LENGTH, 16 << 20)))
        add_EnrolmentServiceServicer_to_server(Enrolment(coordinator, self.runner), self._enrolment)
        add_FleetServiceServicer_to_server(Fleet(coordinator, self.runner), self._fleet)
        add_ControlServiceServicer_to_server(Control(coordinator, self.runner, table), self._fleet)
        self._loop: asyncio.Task[None] | None = None
        self._schedule: asyncio.Task[None] | None = None
        self._cordons: asyncio.Task[None] | None = None

    async def start(self, listen: str = "[::]") -> None:
        """Listen on both ports; raises KubefortError where one is taken."""
        coordinator = self._coordinator
        served = _Served(coordinator)
        open_to_all = grpc.dynamic_ssl_server_credentials(served.configuration(), served.fetcher())
        mutual = grpc.dynamic_ssl_server_credentials(served.configuration(), served.fetcher(), True)
        coordinator.enrolment_port = _bind(self._enrolment, listen, coordinator.enrolment_port, open_to_all)
        coordinator.fleet_port = _bind(self._fleet, listen, coordinator.fleet_port, mutual)
        coordinator.publish()
        await self._enrolment.start()
        await self._fleet.start()
        self._loop = asyncio.create_task(self.runner.run())
        self._schedule = asyncio.create_task(schedule.keep(coordinator, self.runner))
        self._cordons = asyncio.create_task(cordons.keep(coordinator))
        LOG.info("listening", enrolment=coordinator.enrolment_port, fleet=coordinator.fleet_port)

    async def wait(self) -> None:
        """Until the runner ends, which it only does by an error."""
        if self._loop is not None:
            await asyncio.shield(self._loop)

    async def stop(self) -> None:
        """Close streams and listeners; a running operation stays in the journal and goes on at the next start."""
        tasks = {task for task in (self._loop, self._schedule, self._cordons) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.gather(self._enrolment.stop(0.2), self._fleet.stop(0.2))


class _Served:
    """The certificate that both ports show, made anew when it is half a year old."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._address = coordinator.records.settings().address

    def _period(self) -> int:
        return int(self._coordinator.clock() // RENEWED_S)

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        key, chain = self._coordinator.pki.server(self._address)
        authority = self._coordinator.pki.fleet.certificate.encode()
        return grpc.ssl_server_certificate_configuration([(key.encode(), chain.encode())], authority)

    def fetcher(self) -> Callable[[], grpc.ServerCertificateConfiguration]:
        """What gRPC asks at every handshake: None while the last one is good."""
        last = self._period()

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal last
            if self._period() == last:
                return None
            last = self._period()
            return self.configuration()

        return cast(Callable[[], grpc.ServerCertificateConfiguration], fetch)


def _bind(server: grpc.aio.Server, listen: str, port: int, credentials: Any) -> int:
    try:
        bound = server.add_secure_port(f"{listen}:{port}", credentials)
    except RuntimeError as error:
        LOG.debug("bind failed", port=port, error=str(error))
        bound = 0
    if bound == 0:
        raise KubefortError(f"port {port} cannot be used", f"see who has it: `ss -ltnp sport = :{port}`")
    return bound
