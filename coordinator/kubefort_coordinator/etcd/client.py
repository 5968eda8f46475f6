"""A small client of etcd's cluster and maintenance services (signatures; the body follows)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubefort.errors import KubefortError


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

    Every call raises Unavailable where nobody answers or there is no quorum; all may be repeated.
    """

    def __init__(
        self, endpoints: Sequence[str], authority: bytes, certificate: bytes, key: bytes, timeout: float = 5.0
    ) -> None: ...

    async def __aenter__(self) -> EtcdClient:
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        raise NotImplementedError

    async def members(self, linearizable: bool = True) -> tuple[Member, ...]:
        raise NotImplementedError

    async def add_learner(self, peer_urls: Sequence[str]) -> Member:
        """Add a learner; where a member with these URLs is there already, that one is returned."""
        raise NotImplementedError

    async def promote(self, member_id: int) -> None:
        """Make a learner a voting member; done already is fine. Raises NotInSync."""
        raise NotImplementedError

    async def remove(self, member_id: int) -> None:
        """Remove a member; removed already is fine."""
        raise NotImplementedError

    async def status(self, endpoint: str) -> MemberStatus:
        """Status of the member behind one endpoint; alarms are among its errors."""
        raise NotImplementedError

    async def move_leader(self, target_id: int) -> None:
        """Make a voting member the leader."""
        raise NotImplementedError

    async def put(self, key: str, value: bytes) -> int:
        """Returns the revision."""
        raise NotImplementedError

    async def get(self, key: str) -> bytes | None:
        raise NotImplementedError
