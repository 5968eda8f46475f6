"""A container of Docker's own, restarted by Docker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort_agent.resources.starts import digest_of
from kubefort_agent.resources.undo import RemoveContainer, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class Container:
    """A container on the host's network with --restart=always.

    `mounts` are (host path, path inside, read-only); `read_at_start` files whose change it does not notice; `score`
    is its oom_score_adj, None for Docker's own.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    mounts: tuple[tuple[str, str, bool], ...] = ()
    read_at_start: tuple[Path, ...] = ()
    score: int | None = None
    replaces: tuple[str, ...] = ()
    every: ClassVar[float] = 10.0

    @property
    def key(self) -> str:
        return f"container {self.name}"

    def digest(self, host: Host) -> str:
        """Of all that makes another container of it."""
        read = digest_of(host, self.read_at_start) if self.read_at_start else ""
        text = repr((self.image, self.command, self.environment, self.mounts, self.score, read))
        return hashlib.sha256(text.encode()).hexdigest()

    async def diff(self, host: Host) -> tuple[str, ...]:
        from kubefort_agent.host import docker

        return await docker.difference(self.name, self.digest(host))

    async def apply(self, host: Host) -> None:
        from kubefort_agent.host import docker

        mounts = tuple(f"{source}:{target}:{'ro' if fixed else 'rw'}" for source, target, fixed in self.mounts)
        await docker.run(
            docker.Running(self.name, self.image, self.command, self.environment, mounts, self.digest(host), self.score)
        )

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RemoveContainer(self.name),)
