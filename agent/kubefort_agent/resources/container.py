"""A container of Docker's own, restarted by Docker."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kubefort_agent.resources.undo import RemoveContainer, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class Container:
    """A container on the host's network with --restart=always.

    `mounts` are (host path, path inside, read-only); `checks` digests of what it reads only at its start; `score` is
    its oom_score_adj, None for Docker's own.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    mounts: tuple[tuple[str, str, bool], ...] = ()
    checks: tuple[str, ...] = ()
    score: int | None = None
    replaces: tuple[str, ...] = ()
    every: ClassVar[float] = 10.0

    @property
    def key(self) -> str:
        return f"container {self.name}"

    @property
    def digest(self) -> str:
        text = repr((self.image, self.command, self.environment, self.mounts, self.checks, self.score))
        return hashlib.sha256(text.encode()).hexdigest()

    async def diff(self, host: Host) -> tuple[str, ...]:
        from kubefort_agent.host import docker

        return await docker.difference(self.name, self.digest)

    async def apply(self, host: Host) -> None:
        from kubefort_agent.host import docker

        mounts = tuple(f"{source}:{target}:{'ro' if fixed else 'rw'}" for source, target, fixed in self.mounts)
        await docker.run(
            docker.Running(self.name, self.image, self.command, self.environment, mounts, self.digest, self.score)
        )

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RemoveContainer(self.name),)
