"""A small client of etcd's cluster and maintenance services, over its own gRPC interface (etcd 3.4 and above)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from kubefort.errors import KubefortError, Unavailable
from kubefort.etcd import rpc_pb2, rpc_pb2_grpc

T = TypeVar("T")

_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)
_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
}
# What etcd says (api/v3rpc/rpctypes/error.go).
_NOT_A_LEARNER = "can only promote a learner member"
_PEER_URL_EXISTS = "Peer URLs already exists"
_NOT_FOUND = "member not found"
_NOT_ENOUGH_STARTED = "not enough started members"


class NotInSync(KubefortError):
    """A learner is too far behind the leader to be promoted: wait and try again."""


@dataclass(frozen=True)
class Member:
    """A member of the cluster. `name` is "" until it has started for the first time."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...]
    is_learner: bool

    @property
    def started(self) -> bool:
        return bool(self.name)


@dataclass(frozen=True)
class MemberStatus:
    """What one member says of itself. `db_size` in bytes; `leader` is a member's id, 0 without one."""

    endpoint: str
    member_id: int
    version: str
    db_size: int
    leader: int
    raft_index: int
    raft_applied_index: int
    is_learner: bool
    errors: tuple[str, ...]


class EtcdClient:
    """Talks to the first of `endpoints` ("https://host:2379") that answers. Use as an async context manager.

    Every call raises Unavailable where nobody answers or there is no quorum, and KubefortError where etcd refuses; all
    may be repeated. `timeout` in seconds is for one endpoint. Certificates and key are PEM.
    """

    def __init__(
        self, endpoints: Sequence[str], authority: bytes, certificate: bytes, key: bytes, timeout: float = 5.0
    ) -> None:
        self.endpoints = tuple(endpoints)
        self.timeout = timeout
        self._credentials = grpc.ssl_channel_credentials(authority, key, certificate)
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> EtcdClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            await channel.close()

    async def members(self, linearizable: bool = True) -> tuple[Member, ...]:
        """All members by name. Linearizable needs a quorum; otherwise one member's own view will do (etcd 3.5+)."""
        request = rpc_pb2.MemberListRequest(linearizable=linearizable)
        answer = await self._anywhere(lambda channel: _cluster(channel).MemberList(request, timeout=self.timeout))
        return tuple(sorted(map(_member, answer.members), key=lambda m: (m.name, m.peer_urls)))

    async def add_learner(self, peer_urls: Sequence[str]) -> Member:
        """Add a learner; where a member with these URLs is there already, that one is returned."""
        known = await self._by_peer_urls(peer_urls)
        if known:
            return known
        request = rpc_pb2.MemberAddRequest(peerURLs=peer_urls, isLearner=True)
        try:
            answer = await self._anywhere(lambda channel: _cluster(channel).MemberAdd(request, timeout=self.timeout))
        except KubefortError as error:
            # An earlier try may have arrived although its answer was lost.
            known = await self._by_peer_urls(peer_urls) if _PEER_URL_EXISTS in error.message else None
            if known:
                return known
            raise
        return _member(answer.member)

    async def promote(self, member_id: int) -> None:
        """Make a learner a voting member; done already is fine. Raises NotInSync."""
        request = rpc_pb2.MemberPromoteRequest(ID=member_id)
        try:
            await self._anywhere(lambda channel: _cluster(channel).MemberPromote(request, timeout=self.timeout))
        except KubefortError as error:
            if _NOT_A_LEARNER not in error.message:
                raise
            # etcd 3.4 answers the same for a learner that lags and for a member that votes already.
            if any(m.id == member_id and m.is_learner for m in await self.members()):
                name = f"the etcd member {member_id:x}"
                raise NotInSync(f"{name} is not yet in sync with the leader") from error

    async def remove(self, member_id: int) -> None:
        """Remove a member; removed already is fine. Whether it may go is quorum.may_remove's to say, before.

        A leader hands over first: one that removes itself leaves the others without a leader for an election.
        """
        await self._hand_over(member_id)
        request = rpc_pb2.MemberRemoveRequest(ID=member_id)
        try:
            await self._anywhere(lambda channel: _cluster(channel).MemberRemove(request, timeout=self.timeout))
        except KubefortError as error:
            if _NOT_FOUND not in error.message:
                raise

    async def status(self, endpoint: str) -> MemberStatus:
        """Status of the member behind one endpoint, which need not be among the client's own; alarms are errors."""
        try:
            stub = rpc_pb2_grpc.MaintenanceStub(self._channel(endpoint))
            answer = await stub.Status(rpc_pb2.StatusRequest(), timeout=self.timeout)
        except grpc.aio.AioRpcError as error:
            raise _translated(endpoint, error) from error
        return MemberStatus(
            endpoint=endpoint,
            member_id=answer.header.member_id,
            version=answer.version,
            db_size=answer.dbSize,
            leader=answer.leader,
            raft_index=answer.raftIndex,
            raft_applied_index=answer.raftAppliedIndex,
            is_learner=answer.isLearner,
            errors=tuple(answer.errors),
        )

    async def move_leader(self, target_id: int) -> None:
        """Make a voting member the leader; it is already: fine. Only the leader itself can be asked for it."""
        request = rpc_pb2.MoveLeaderRequest(targetID=target_id)
        for endpoint in await self._all_endpoints():
            try:
                status = await self.status(endpoint)
            except Unavailable:
                continue
            if status.leader == target_id:
                return
            if status.leader == status.member_id:
                stub = rpc_pb2_grpc.MaintenanceStub(self._channel(endpoint))
                try:
                    await stub.MoveLeader(request, timeout=self.timeout)
                except grpc.aio.AioRpcError as error:
                    raise _translated(endpoint, error) from error
                return
        raise Unavailable("etcd's leader does not answer, or there is none")

    async def put(self, key: str, value: bytes) -> int:
        """Write a key; returns the revision."""
        request = rpc_pb2.PutRequest(key=key.encode(), value=value)
        answer = await self._anywhere(lambda channel: rpc_pb2_grpc.KVStub(channel).Put(request, timeout=self.timeout))
        return int(answer.header.revision)

    async def get(self, key: str) -> bytes | None:
        """A key's value, None where there is none."""
        request = rpc_pb2.RangeRequest(key=key.encode(), limit=1)
        answer = await self._anywhere(lambda channel: rpc_pb2_grpc.KVStub(channel).Range(request, timeout=self.timeout))
        return answer.kvs[0].value if answer.kvs else None

    async def snapshot(self, endpoint: str) -> AsyncIterator[bytes]:
        """The database of one member, in chunks; the last 32 bytes are its SHA-256."""
        stub = rpc_pb2_grpc.MaintenanceStub(self._channel(endpoint))
        try:
            async for answer in stub.Snapshot(rpc_pb2.SnapshotRequest()):
                yield answer.blob
        except grpc.aio.AioRpcError as error:
            raise _translated(endpoint, error) from error

    async def _hand_over(self, member_id: int) -> None:
        members = await self.members()
        leader = next((m for m in members if m.id == member_id), None)
        if leader is None or not leader.client_urls:
            return
        try:
            if (await self.status(leader.client_urls[0])).leader != member_id:
                return
        except Unavailable:
            return  # who does not answer does not lead, or not for long
        for heir in members:
            if heir.id != member_id and heir.client_urls and not heir.is_learner:
                try:
                    await self.status(heir.client_urls[0])
                    await self.move_leader(heir.id)
                except KubefortError:
                    continue
                return

    async def _by_peer_urls(self, peer_urls: Sequence[str]) -> Member | None:
        wanted = set(peer_urls)
        return next((m for m in await self.members() if wanted & set(m.peer_urls)), None)

    async def _all_endpoints(self) -> list[str]:
        published = [url for member in await self.members() for url in member.client_urls]
        return list(dict.fromkeys([*self.endpoints, *published]))

    def _channel(self, endpoint: str) -> grpc.aio.Channel:
        if endpoint not in self._channels:
            target = endpoint.removeprefix("https://").rstrip("/")
            self._channels[endpoint] = grpc.aio.secure_channel(target, self._credentials, options=_OPTIONS)
        return self._channels[endpoint]

    async def _anywhere(self, call: Callable[[Any], Awaitable[T]]) -> T:
        failure: KubefortError = Unavailable("no etcd endpoint is known")
        for endpoint in self.endpoints:
            try:
                return await call(self._channel(endpoint))
            except grpc.aio.AioRpcError as error:
                failure = _translated(endpoint, error)
                if not isinstance(failure, Unavailable):
                    raise failure from error
        raise failure


def _cluster(channel: Any) -> Any:
    return rpc_pb2_grpc.ClusterStub(channel)


def _member(message: rpc_pb2.Member) -> Member:
    return Member(message.ID, message.name, tuple(message.peerURLs), tuple(message.clientURLs), bool(message.isLearner))


def _translated(endpoint: str, error: grpc.aio.AioRpcError) -> KubefortError:
    details = (error.details() or error.code().name).removeprefix("etcdserver: ")
    if error.code() in _TRANSIENT:
        return Unavailable(f"etcd at {endpoint} does not answer: {details}")
    hint = ""
    if _NOT_ENOUGH_STARTED in details:
        hint = "a member was added that has never started; start it, or remove it"
    return KubefortError(f"etcd at {endpoint} refused: {details}", hint)
