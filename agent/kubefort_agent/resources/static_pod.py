"""A static pod: a manifest that kubelet picks up from its folder."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files
from kubefort.paths import MANIFESTS

from kubefort_agent.resources.file import difference
from kubefort_agent.resources.undo import RestoreFile, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class StaticPod:
    """STAMP in the manifest stands for the digest of the files of `read_at_start`: another text makes another pod."""

    name: str
    manifest: bytes
    read_at_start: tuple[Path, ...] = ()
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
        digest = hashlib.sha256()
        for path in self.read_at_start:
            with contextlib.suppress(FileNotFoundError):
                digest.update(host.path(path).read_bytes())
        return self.manifest.replace(self.STAMP.encode(), digest.hexdigest().encode())

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RestoreFile(str(self.path)),)
