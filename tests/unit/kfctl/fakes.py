"""A coordinator that answers as it is told, over real TLS on the loopback, in a thread with its own event loop."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubefort import document, identity
from kubefort.errors import KubefortError
from kubefort.identity import SERVER_NAME, Identity
from kubefort.model.operation import OperationState, Overview, PhaseState
from kubefort.model.status import Event, Facts
from kubefort.v1 import control_pb2, fleet_pb2
from kubefort.v1.control_pb2_grpc import ControlServiceServicer, add_ControlServiceServicer_to_server
from kubefort.v1.fleet_pb2_grpc import (
    EnrolmentServiceServicer,
    FleetServiceServicer,
    add_EnrolmentServiceServicer_to_server,
    add_FleetServiceServicer_to_server,
)


class Authority:
    """A small certificate authority."""

    def __init__(self) -> None:
        self.days_used, self.days_left = 0, 365
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-fleet-ca")])
        usage = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._builder(self._name, self._key.public_key()).add_extension(usage, critical=True)
        self.pem = _pem(certificate.sign(self._key, hashes.SHA256()))

    def _builder(self, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=self.days_used, minutes=5))
            .not_valid_after(now + datetime.timedelta(days=self.days_left))
        )

    def sign(self, request: str, server: bool = False) -> str:
        """A certificate for the key and name of a request."""
        csr = x509.load_pem_x509_csr(request.encode())
        builder = self._builder(csr.subject, csr.public_key())
        if server:
            names = [x509.DNSName(SERVER_NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _pem(builder.sign(self._key, hashes.SHA256()))

    def identity(self, name: str, server: bool = False) -> Identity:
        """A fresh identity."""
        key = identity.new_key()
        return Identity(key, self.sign(identity.certificate_request(key, name), server), self.pem)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def operation(status: str = "running", id: str = "op-1", kind: str = "join", **changes: Any) -> OperationState:
    """An operation of two phases."""
    phases = (
        PhaseState("check", "Check w1", "done", started=1.0, ended=3.0),
        PhaseState("prepare", "Prepare w1", "running", started=3.0, waiting_for="w1 to import images"),
    )
    values: dict[str, Any] = {"title": "Join w1", "phases": phases, "created": 1.0} | changes
    return OperationState(id=id, kind=kind, status=status, **values)  # type: ignore[arg-type]


@dataclass
class FakeCoordinator(ControlServiceServicer, EnrolmentServiceServicer, FleetServiceServicer):
    """Answers from its fields, and remembers what it was asked. `failures`: method → the error it ends with."""

    overview: Overview = field(default_factory=lambda: Overview(version="9.9.9", time=1000.0))
    states: list[OperationState] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    failures: dict[str, KubefortError] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    authority: Authority = field(default_factory=Authority)
    operation_id: str = "op-1"
    fleet_address: str = ""

    async def _note(self, name: str, request: Any, context: Any) -> None:
        self.asked.append((name, request))
        error = self.failures.get(name)
        if error is not None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{error.message}\n{error.hint}")

    def requests(self, name: str) -> list[Any]:
        return [request for asked, request in self.asked if asked == name]

    async def GetOverview(self, request: Any, context: Any) -> control_pb2.GetOverviewResponse:
        await self._note("GetOverview", request, context)
        return control_pb2.GetOverviewResponse(overview=document.encode(self.overview))

    async def StartOperation(self, request: Any, context: Any) -> control_pb2.StartOperationResponse:
        await self._note("StartOperation", request, context)
        return control_pb2.StartOperationResponse(operation=document.encode(self.states[0]))

    async def ResumeOperation(self, request: Any, context: Any) -> control_pb2.ResumeOperationResponse:
        await self._note("ResumeOperation", request, context)
        return control_pb2.ResumeOperationResponse(operation=document.encode(self.states[0]))

    async def AbortOperation(self, request: Any, context: Any) -> control_pb2.AbortOperationResponse:
        await self._note("AbortOperation", request, context)
        return control_pb2.AbortOperationResponse(operation=document.encode(operation("aborted")))

    async def WatchOperation(self, request: Any, context: Any) -> AsyncIterator[control_pb2.WatchOperationResponse]:
        await self._note("WatchOperation", request, context)
        for state in self.states:
            yield control_pb2.WatchOperationResponse(operation=document.encode(state))

    async def WatchOwnOperation(self, request: Any, context: Any) -> AsyncIterator[fleet_pb2.WatchOwnOperationResponse]:
        await self._note("WatchOwnOperation", request, context)
        for state in self.states:
            yield fleet_pb2.WatchOwnOperationResponse(operation=document.encode(state))

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[control_pb2.WatchEventsResponse]:
        await self._note("WatchEvents", request, context)
        for event in self.events:
            yield control_pb2.WatchEventsResponse(event=document.encode(event))

    async def CreateToken(self, request: Any, context: Any) -> control_pb2.CreateTokenResponse:
        await self._note("CreateToken", request, context)
        token = "abcdef.0123456789abcdef"
        return control_pb2.CreateTokenResponse(token=token, join_command=f"kfctl join 10.0.0.1 --token {token}")

    async def ListTokens(self, request: Any, context: Any) -> control_pb2.ListTokensResponse:
        await self._note("ListTokens", request, context)
        return control_pb2.ListTokensResponse(
            tokens=[control_pb2.Token(id="abcdef", role="worker", uses_left=2, expires=86400.0)]
        )

    async def DeleteToken(self, request: Any, context: Any) -> control_pb2.DeleteTokenResponse:
        await self._note("DeleteToken", request, context)
        return control_pb2.DeleteTokenResponse()

    async def AddBundle(self, request: Any, context: Any) -> control_pb2.AddBundleResponse:
        await self._note("AddBundle", request, context)
        return control_pb2.AddBundleResponse(kubernetes_version="v1.36.2")

    async def ListBundles(self, request: Any, context: Any) -> control_pb2.ListBundlesResponse:
        await self._note("ListBundles", request, context)
        bundle = control_pb2.Bundle(kubernetes_version="v1.36.2", etcd_version="3.6.13", artifacts=12, size=3 << 20)
        return control_pb2.ListBundlesResponse(bundles=[bundle])

    async def ListOperators(self, request: Any, context: Any) -> control_pb2.ListOperatorsResponse:
        await self._note("ListOperators", request, context)
        operators = [
            control_pb2.Operator(name="root@cp1", keys=2, caller=True),
            control_pb2.Operator(name="admin@laptop", keys=1),
        ]
        return control_pb2.ListOperatorsResponse(operators=operators)

    async def RevokeOperator(self, request: Any, context: Any) -> control_pb2.RevokeOperatorResponse:
        await self._note("RevokeOperator", request, context)
        return control_pb2.RevokeOperatorResponse()

    async def IssueKubeconfig(self, request: Any, context: Any) -> control_pb2.IssueKubeconfigResponse:
        await self._note("IssueKubeconfig", request, context)
        return control_pb2.IssueKubeconfigResponse(
            certificate=self.authority.sign(request.certificate_request),
            authority=self.authority.pem,
            server="https://10.0.0.100:6443",
            cluster_name="kubernetes",
        )

    def Connect(self, request_iterator: Any, context: Any) -> Any:
        raise NotImplementedError

    def SignCertificate(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    def FetchSecret(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def RenewIdentity(self, request: Any, context: Any) -> fleet_pb2.RenewIdentityResponse:
        await self._note("RenewIdentity", request, context)
        return fleet_pb2.RenewIdentityResponse(certificate=self.authority.sign(request.certificate_request))

    def FetchArtifact(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    async def Enrol(self, request: Any, context: Any) -> fleet_pb2.EnrolResponse:
        await self._note("Enrol", request, context)
        document.decode(request.facts, Facts, "facts")
        return fleet_pb2.EnrolResponse(
            certificate=self.authority.sign(request.certificate_request),
            authority=self.authority.pem,
            fleet_address=self.fleet_address,
            operation_id=self.operation_id,
        )


class Running:
    """A FakeCoordinator that serves: `port` asks for a client's certificate, `enrolment_port` does not."""

    def __init__(self, fake: FakeCoordinator) -> None:
        self.fake = fake
        self.port = self.enrolment_port = 0
        self._loop = asyncio.new_event_loop()
        self._servers: list[grpc.aio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Running:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        self.fake.fleet_address = f"127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _stop(self) -> None:
        while self._servers:
            await self._servers.pop().stop(0)

    async def _start(self) -> None:
        who = self.fake.authority.identity(SERVER_NAME, server=True)
        pair = [(who.key.encode(), (who.certificate + who.authority).encode())]
        mutual = grpc.ssl_server_credentials(pair, who.authority.encode(), require_client_auth=True)
        self.port = await self._serve(mutual, add_ControlServiceServicer_to_server, add_FleetServiceServicer_to_server)
        self.enrolment_port = await self._serve(
            grpc.ssl_server_credentials(pair), add_EnrolmentServiceServicer_to_server
        )

    async def _serve(self, credentials: grpc.ServerCredentials, *services: Callable[[Any, Any], None]) -> int:
        server = grpc.aio.server()
        for add in services:
            add(self.fake, server)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        await server.start()
        self._servers.append(server)
        return port
