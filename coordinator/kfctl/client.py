"""ControlService as methods with documents in and out, and errors that a person can read."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio
from kubefort import document, identity
from kubefort.document import Document
from kubefort.errors import KubefortError, Unavailable
from kubefort.model.operation import OperationState, Overview
from kubefort.model.status import Event
from kubefort.v1 import control_pb2 as wire
from kubefort.v1 import fleet_pb2
from kubefort.v1.control_pb2_grpc import ControlServiceStub
from kubefort.v1.fleet_pb2_grpc import FleetServiceStub

from kfctl import operator, renewal
from kfctl.operator import Operator

T = TypeVar("T")

QUICK_S = 30.0
COPY_S = 900.0


def readable(error: grpc.aio.AioRpcError, address: str) -> KubefortError:
    """What the server meant; where there was no server to mean anything, its address and what to look at."""
    details = error.details() or ""
    if error.code() is grpc.StatusCode.UNAVAILABLE and "\n" not in details:
        why = details.rpartition(": ")[2]  # gRPC puts the system's reason last
        if "CERTIFICATE_VERIFY" in details:
            why = "its certificate is not of the expected authority"
        return Unavailable(
            f"the coordinator at {address} does not answer" + (f" ({why})" if why else ""),
            "see `systemctl status kubefort-coordinator` on its host, and whether a firewall is in between",
        )
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable(f"the coordinator at {address} did not answer in time", "try again")
    return identity.as_error(error)


class Client:
    """A connection to the coordinator; an asynchronous context manager."""

    def __init__(self, who: Operator) -> None:
        self.who, self.address = who, who.address
        self._channel = identity.channel(who.address, who.identity)
        self._stub = ControlServiceStub(self._channel)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise readable(error, self.address) from error

    async def overview(self) -> Overview:
        answer = await self._call(self._stub.GetOverview(wire.GetOverviewRequest(), timeout=QUICK_S))
        return document.decode(answer.overview, Overview, "the coordinator's overview")

    async def start(self, kind: str, arguments: Document, dry_run: bool = False) -> OperationState:
        request = wire.StartOperationRequest(kind=kind, arguments=document.encode(arguments), dry_run=dry_run)
        answer = await self._call(self._stub.StartOperation(request, timeout=QUICK_S))
        return _operation(answer.operation)

    async def abort(self, id: str) -> OperationState:
        answer = await self._call(self._stub.AbortOperation(wire.AbortOperationRequest(id=id), timeout=QUICK_S))
        return _operation(answer.operation)

    async def pause(self, id: str) -> OperationState:
        """End an operation when its phase has ended."""
        request = wire.AbortOperationRequest(id=id, pause=True)
        return _operation((await self._call(self._stub.AbortOperation(request, timeout=QUICK_S))).operation)

    async def resume(self, id: str, ignored: tuple[str, ...] = ()) -> OperationState:
        """Take an operation up again; `ignored` preflight checks stand in place of the earlier ones, if any."""
        request = wire.ResumeOperationRequest(id=id, ignored_checks=ignored)
        answer = await self._call(self._stub.ResumeOperation(request, timeout=QUICK_S))
        return _operation(answer.operation)

    async def states(self, id: str) -> AsyncIterator[OperationState]:
        """States of an operation until it ends."""
        try:
            async for answer in self._stub.WatchOperation(wire.WatchOperationRequest(id=id)):
                yield _operation(answer.operation)
        except grpc.aio.AioRpcError as error:
            raise readable(error, self.address) from error

    async def events(self, host: str, follow: bool) -> AsyncIterator[Event]:
        try:
            async for answer in self._stub.WatchEvents(wire.WatchEventsRequest(host=host, follow=follow)):
                yield document.decode(answer.event, Event, "an event")
        except grpc.aio.AioRpcError as error:
            raise readable(error, self.address) from error

    async def create_token(self, role: str, lifetime_s: float, uses: int) -> wire.CreateTokenResponse:
        request = wire.CreateTokenRequest(role=role, lifetime_s=lifetime_s, uses=uses)
        return await self._call(self._stub.CreateToken(request, timeout=QUICK_S))

    async def tokens(self) -> list[wire.Token]:
        return list((await self._call(self._stub.ListTokens(wire.ListTokensRequest(), timeout=QUICK_S))).tokens)

    async def delete_token(self, id: str) -> None:
        await self._call(self._stub.DeleteToken(wire.DeleteTokenRequest(id=id), timeout=QUICK_S))

    async def add_bundle(self, folder: str) -> str:
        """`folder` is an absolute path on the coordinator's host; returns the Kubernetes version."""
        request = wire.AddBundleRequest(folder=folder)
        return (await self._call(self._stub.AddBundle(request, timeout=COPY_S))).kubernetes_version

    async def bundles(self) -> list[wire.Bundle]:
        return list((await self._call(self._stub.ListBundles(wire.ListBundlesRequest(), timeout=QUICK_S))).bundles)

    async def operators(self) -> list[wire.Operator]:
        request = wire.ListOperatorsRequest()
        return list((await self._call(self._stub.ListOperators(request, timeout=QUICK_S))).operators)

    async def revoke_operator(self, name: str) -> None:
        await self._call(self._stub.RevokeOperator(wire.RevokeOperatorRequest(name=name), timeout=QUICK_S))

    async def renew(self, certificate_request: str) -> str:
        """A new certificate (PEM) of the operator who asks."""
        request = fleet_pb2.RenewIdentityRequest(certificate_request=certificate_request)
        answer = await self._call(FleetServiceStub(self._channel).RenewIdentity(request, timeout=QUICK_S))
        return answer.certificate

    async def kubeconfig(self, certificate_request: str) -> wire.IssueKubeconfigResponse:
        request = wire.IssueKubeconfigRequest(certificate_request=certificate_request)
        return await self._call(self._stub.IssueKubeconfig(request, timeout=QUICK_S))


def _operation(data: bytes) -> OperationState:
    return document.decode(data, OperationState, "the coordinator's operation")


async def ask_overview(config: Path) -> Overview:
    """What the coordinator knows."""
    async with connect(config) as client:
        return await client.overview()


@contextlib.asynccontextmanager
async def connect(config: Path) -> AsyncIterator[Client]:
    """A client with the identity and address of kfctl.yaml, which is kept valid."""
    async with Client(operator.load(config)) as client:
        await renewal.keep_valid(client.who, client.renew, config)
        yield client
