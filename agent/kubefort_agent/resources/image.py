"""A container image of a bundle."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kubefort.model.spec import Artifact
from kubefort.paths import ARTIFACTS
from kubefort.run import CommandFailed

from kubefort_agent.host.containerd import full_reference
from kubefort_agent.resources.undo import RemoveImage, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class Image:
    """The image is in containerd and pinned; the archive is fetched only where it is not."""

    artifact: Artifact
    every: ClassVar[float] = 20.0
    late: ClassVar[bool] = True

    @property
    def key(self) -> str:
        return f"image {self.artifact.ref}"

    async def diff(self, host: Host) -> tuple[str, ...]:
        """Asks containerd when its records were written to, and once a minute: that costs a process.

        Not at every pass: while pods start the records are written to all the time.
        """
        mark = (host.containerd.trace(host.root), int(time.monotonic() // 60))
        if host.verdicts.get(self.key) == (mark, ()):
            return ()
        lines = await self._look(host)
        host.verdicts[self.key] = (mark, lines)
        return lines

    async def _look(self, host: Host) -> tuple[str, ...]:
        pinned = (await host.containerd.images()).get(full_reference(self.artifact.ref))
        if pinned is None:
            return (f"image {self.artifact.ref}: is missing",)
        return () if pinned else (f"image {self.artifact.ref}: is not pinned against garbage collection",)

    async def apply(self, host: Host) -> None:
        await host.containerd.load(await host.supplies.artifact(self.artifact), self.artifact.ref)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        try:
            present = full_reference(self.artifact.ref) in await host.containerd.images()
        except CommandFailed:  # containerd does not run yet
            present = False
        archive = str(ARTIFACTS / self.artifact.sha256)
        return () if present else (RemoveImage(self.artifact.ref, archive),)
