"""A static pod: a manifest that kubelet picks up from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files
from kubefort.paths import MANIFESTS

from kubefort_agent.resources.file import difference
from kubefort_agent.resources.starts import digest_of
from kubefort_agent.resources.undo import StopStaticPod, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class StaticPod:
    """STAMP in the manifest stands for the digest of the files of `read_at_start`: another text makes another pod.

    ports      what the pod listens on: taken away means that they are free again
    exclusive  and that its process has ended
    """

    name: str
    manifest: bytes
    read_at_start: tuple[Path, ...] = ()
    ports: tuple[int, ...] = ()
    exclusive: bool = False
    replaces: tuple[str, ...] = ()
    every: ClassVar[float] = 5.0

    STAMP: ClassVar[str] = "sha256-of-what-is-read-at-start"

    @property
    def key(self) -> str:
        return f"static-pod {self.name}"

    @property
    def path(self) -> Path:
        return MANIFESTS / f"{self.name}.yaml"

    async def diff(self, host: Host) -> tuple[str, ...]:
        return difference(host.path(self.path), self.path, self._stamped(host), 0o600)

    async def apply(self, host: Host) -> None:
        files.write(host.path(self.path), self._stamped(host), 0o600)

    def _stamped(self, host: Host) -> bytes:
        if not self.read_at_start:
            return self.manifest
        return self.manifest.replace(self.STAMP.encode(), digest_of(host, self.read_at_start).encode())

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (StopStaticPod(self.name, self.ports, self.exclusive),)
