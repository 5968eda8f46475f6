"""A secret of the cluster: fetched once, kept on this host's disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files

from kubefort_agent.resources.file import difference
from kubefort_agent.resources.undo import RestoreFile, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host

KEPT = Path("/var/lib/kubefort/secrets")


@dataclass(frozen=True)
class Secret:
    """The file of a secret. A copy below KEPT brings it back when the coordinator is away."""

    path: Path
    name: str
    mode: int = 0o600
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"secret {self.path}"

    @property
    def kept(self) -> Path:
        return KEPT / self.name

    async def diff(self, host: Host) -> tuple[str, ...]:
        try:
            content = host.path(self.kept).read_bytes()
        except FileNotFoundError:
            return (f"{self.path}: the secret {self.name} was not fetched yet",)
        return difference(host.path(self.path), self.path, content, self.mode, secret=True)

    async def apply(self, host: Host) -> None:
        kept = host.path(self.kept)
        if not kept.exists():
            content = await host.supplies.secret(self.name)
            files.make_folder(host.path(KEPT), 0o700)
            files.write(kept, content, 0o600)
        files.write(host.path(self.path), kept.read_bytes(), self.mode)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RestoreFile(str(self.path)), RestoreFile(str(self.kept)))
