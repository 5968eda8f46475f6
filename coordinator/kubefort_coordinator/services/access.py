"""Who may call what: one table, one interceptor, which also turns errors into gRPC's statuses."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from kubefort import identity, log
from kubefort.errors import InvalidInput, KubefortError, Refused, Unavailable

from kubefort_coordinator.pki import subject
from kubefort_coordinator.records import Records

LOG = log.get("access")

ACCESS: dict[str, tuple[str, ...]] = {
    # method: organizations whose certificate is needed; none: no certificate, a token instead
    "/kubefort.v1.EnrolmentService/Enrol": (),
    "/kubefort.v1.FleetService/Connect": (identity.AGENTS,),
    "/kubefort.v1.FleetService/SignCertificate": (identity.AGENTS,),
    "/kubefort.v1.FleetService/FetchSecret": (identity.AGENTS,),
    "/kubefort.v1.FleetService/FetchArtifact": (identity.AGENTS,),
    "/kubefort.v1.FleetService/RenewIdentity": (identity.AGENTS, identity.OPERATORS),
    "/kubefort.v1.FleetService/WatchOwnOperation": (identity.AGENTS,),
    "/kubefort.v1.ControlService/StartOperation": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/WatchOperation": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/AbortOperation": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/ResumeOperation": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/GetOverview": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/WatchEvents": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/CreateToken": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/ListTokens": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/DeleteToken": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/ListOperators": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/RevokeOperator": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/IssueKubeconfig": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/AddBundle": (identity.OPERATORS,),
    "/kubefort.v1.ControlService/ListBundles": (identity.OPERATORS,),
}


@dataclass(frozen=True)
class Caller:
    """Who calls. `organization` and `name` are "" without a certificate; `address` without port."""

    organization: str
    name: str
    address: str


CALLER: contextvars.ContextVar[Caller] = contextvars.ContextVar("caller")


def authorise(method: str, certificate: str, address: str, records: Records) -> Caller:
    """The caller, where he may call `method`; `certificate` is PEM, "" without one. Raises Refused."""
    allowed = ACCESS.get(method)
    if allowed is None:
        raise Refused(f"nobody may call {method}")
    if not allowed:
        return Caller("", "", address)
    if not certificate:
        raise Refused("a client certificate is needed", "run `kfctl join` on a host, `kfctl init` on the first")
    organization, name = subject(certificate)
    if organization not in allowed:
        raise Refused(f"{name} ({organization}) may not call {method.rpartition('/')[2]}")
    record = records.host(name) if organization == identity.AGENTS else records.operator(name)
    again = "let it join again with a new token"
    if organization == identity.OPERATORS:
        again = "on the coordinator's host, `kfctl init` admits an operator again"
    if record is None:
        raise Refused(f"{name} is not known (any more)", again)
    if identity.pin(certificate) not in record.identities:
        raise Refused(f"the identity of {name} was replaced or revoked", again)
    return Caller(organization, name, address)


def address_of(peer: str) -> str:
    """The address in gRPC's form of a peer: ipv4:192.0.2.1:4711, ipv6:%5B2001:db8::1%5D:4711."""
    return peer.partition(":")[2].rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")


_CODES: tuple[tuple[type[KubefortError], grpc.StatusCode], ...] = (
    (InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
    (Refused, grpc.StatusCode.PERMISSION_DENIED),
)


def status_of(error: KubefortError) -> tuple[grpc.StatusCode, str]:
    """Status code and details of an error."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
    hint = error.hint.replace("\n", " ")
    return code, "\n".join(filter(None, (error.message.replace("\n", "; "), hint)))


_OPERATORS_ONLY = "/kubefort.v1.ControlService/"

Handler = Callable[[Any, Any], Any]


class Gate(grpc.aio.ServerInterceptor):  # type: ignore[misc, unused-ignore]
    """Lets calls through that the table allows, with CALLER set."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def _admit(self, method: str, context: Any) -> Caller:
        pems = context.auth_context().get("x509_pem_cert") or [b""]
        return authorise(method, pems[0].decode(), address_of(context.peer()), self._records)

    async def _enter(self, method: str, context: Any) -> None:
        try:
            CALLER.set(self._admit(method, context))
        except KubefortError as error:
            LOG.warning("call refused", method=method, peer=context.peer(), why=error.message)
            await _abort(context, error)

    def _unary(self, method: str, inner: Handler) -> Handler:
        async def call(request: Any, context: Any) -> Any:
            await self._enter(method, context)
            try:
                return await inner(request, context)
            except KubefortError as error:
                await _abort(context, error)

        return call

    def _stream(self, method: str, inner: Handler) -> Handler:
        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            await self._enter(method, context)
            try:
                async for answer in inner(request, context):
                    if method.startswith(_OPERATORS_ONLY):
                        self._admit(method, context)  # an operator may have been revoked since
                    yield answer
            except KubefortError as error:
                await _abort(context, error)

        return call

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> grpc.RpcMethodHandler[Any, Any]:
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return None  # type: ignore[return-value]
        method = handler_call_details.method
        serializers = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.request_streaming:
            call = self._stream(method, handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(call, **serializers)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream(method, handler.unary_stream), **serializers)
        return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary), **serializers)


async def _abort(context: Any, error: KubefortError) -> None:
    code, details = status_of(error)
    await context.abort(code, details)
