"""What agents ask for, each for its own host."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import kubefort
import msgspec
from kubefort import document, identity, log
from kubefort.errors import InvalidInput, Refused
from kubefort.kubeadm.certificates import certificate
from kubefort.model.status import Event, NodeStatus
from kubefort.v1 import fleet_pb2 as wire
from kubefort.v1.fleet_pb2_grpc import FleetServiceServicer

from kubefort_coordinator.bundles import CHUNK
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations.runner import Runner
from kubefort_coordinator.pki import may_fetch
from kubefort_coordinator.records import OperatorRecord
from kubefort_coordinator.services.access import CALLER
from kubefort_coordinator.services.enrolment import check_clock

PROTOCOL, OLDEST = 1, 1
"""What this coordinator speaks, and the oldest protocol of agents that it still understands."""

LOG = log.get("fleet")


class Fleet(FleetServiceServicer):
    """The caller is the host that its certificate names."""

    def __init__(self, coordinator: Coordinator, runner: Runner) -> None:
        self._coordinator = coordinator
        self._runner = runner
        self._strangers: set[str] = set()

    async def Connect(
        self, request_iterator: AsyncIterator[wire.ConnectRequest], context: Any
    ) -> AsyncIterator[wire.ConnectResponse]:
        host = CALLER.get().name
        hello = await anext(request_iterator, None)
        if hello is None or hello.WhichOneof("message") != "hello":
            raise InvalidInput("the first message of a connection is a hello")
        self._protocol(host, hello.hello)
        self._clock(host, hello.hello.time)
        self._coordinator.observer.connected(host)
        reader = asyncio.create_task(self._read(host, request_iterator))
        try:
            async for spec in self._specs(host, reader):
                yield spec
        finally:
            reader.cancel()
            await asyncio.wait({reader})
            self._coordinator.observer.disconnected(host)

    def _protocol(self, host: str, hello: wire.Hello) -> None:
        """Raises Refused where agent and coordinator do not understand each other; operators are told once."""
        if OLDEST <= hello.protocol <= PROTOCOL:
            self._strangers.discard(host)
            return
        theirs = f"kubefort-agent {hello.version} of {host} speaks protocol {hello.protocol}"
        ours = f"this coordinator, {kubefort.__version__}, {OLDEST} to {PROTOCOL}"
        newer = hello.protocol > PROTOCOL
        error = Refused(f"{theirs}, {ours}", f"upgrade {'the coordinator' if newer else f'the agent of {host}'}")
        if host not in self._strangers:
            self._strangers.add(host)
            self._coordinator.event(host, "ProtocolMismatch", f"{error.message}: {error.hint}", warning=True)
        raise error

    def _clock(self, host: str, time: float) -> None:
        try:
            check_clock(host, time, self._coordinator.clock())
        except Refused as error:
            self._coordinator.event(host, "ClockSkew", error.message, warning=True)

    async def _specs(self, host: str, reader: asyncio.Task[None]) -> AsyncIterator[wire.ConnectResponse]:
        changed = self._coordinator.changed
        reader.add_done_callback(lambda _: changed.notify())
        sent = 0
        while not reader.done():
            seen = changed.count
            spec = self._coordinator.spec(host)
            if spec.generation > sent:
                sent = spec.generation
                yield wire.ConnectResponse(spec=document.encode(spec))
                continue
            await changed.wait(seen)
        if not reader.cancelled() and (error := reader.exception()) is not None:
            raise error

    async def _read(self, host: str, messages: AsyncIterator[wire.ConnectRequest]) -> None:
        async for message in messages:
            what = message.WhichOneof("message")
            if what == "status":
                status = document.decode(message.status, NodeStatus, f"status of {host}")
                self._coordinator.observer.status(host, status)
            elif what == "event":
                event = document.decode(message.event, Event, f"event of {host}")
                self._coordinator.hear(msgspec.structs.replace(event, host=host))

    async def SignCertificate(self, request: wire.SignCertificateRequest, context: Any) -> wire.SignCertificateResponse:
        spec = self._coordinator.spec(CALLER.get().name)
        if not spec.reaches("etcd"):
            raise Refused(f"{spec.node.name} gets no certificates before it joins the cluster")
        wanted = certificate(request.name, spec.cluster, spec.node, spec.peers)
        if wanted is None:
            raise Refused(f"{spec.node.name} has no certificate named {request.name}")
        signed = self._coordinator.pki.cluster(wanted.authority).sign(
            request.certificate_request,
            wanted.common_name,
            wanted.organizations,
            wanted.usages,
            wanted.dns_names,
            wanted.ip_addresses,
        )
        return wire.SignCertificateResponse(certificate=signed)

    async def FetchSecret(self, request: wire.FetchSecretRequest, context: Any) -> wire.FetchSecretResponse:
        spec = self._coordinator.spec(CALLER.get().name)
        if not spec.reaches("etcd") or not may_fetch(spec.node.role, request.name):
            raise Refused(f"{spec.node.name} ({spec.node.role}) may not have {request.name}")
        return wire.FetchSecretResponse(content=self._coordinator.pki.secret(request.name))

    async def FetchArtifact(
        self, request: wire.FetchArtifactRequest, context: Any
    ) -> AsyncIterator[wire.FetchArtifactResponse]:
        path = self._coordinator.bundles.find(request.sha256)
        async for chunk in _chunks(path, request.offset):
            yield wire.FetchArtifactResponse(chunk=chunk)

    async def RenewIdentity(self, request: wire.RenewIdentityRequest, context: Any) -> wire.RenewIdentityResponse:
        caller, coordinator = CALLER.get(), self._coordinator
        signed = coordinator.pki.fleet.sign(request.certificate_request, caller.name, (caller.organization,))
        pin = identity.pin(signed)
        if caller.organization == identity.OPERATORS:
            operator = coordinator.records.operator(caller.name)
            known = operator.identities if operator else ()
            coordinator.records.put_operator(OperatorRecord(caller.name, tuple(dict.fromkeys((pin, *known)))))
        else:
            host = coordinator.records.need_host(caller.name)
            # The one before stays good until the agent has written the new one and shown it.
            coordinator.update_host(host.name, identities=tuple(dict.fromkeys((pin, *host.identities)))[:2])
        return wire.RenewIdentityResponse(certificate=signed)

    async def WatchOwnOperation(
        self, request: wire.WatchOwnOperationRequest, context: Any
    ) -> AsyncIterator[wire.WatchOwnOperationResponse]:
        name = CALLER.get().name
        while (record := self._coordinator.records.operation_of(name)) is None:
            await self._coordinator.changed.wait(self._coordinator.changed.count)
        if request.resume and record.state.kind == "join" and record.state.status in ("failed", "aborted"):
            self._runner.resume(record.state.id, tuple(request.ignored_checks))
        async for state in self._runner.watch(record.state.id):
            yield wire.WatchOwnOperationResponse(operation=document.encode(state))


async def _chunks(path: Path, offset: int) -> AsyncIterator[bytes]:
    descriptor = await asyncio.to_thread(os.open, path, os.O_RDONLY)
    try:
        while chunk := await asyncio.to_thread(os.pread, descriptor, CHUNK, offset):
            yield chunk
            offset += len(chunk)
    finally:
        os.close(descriptor)
