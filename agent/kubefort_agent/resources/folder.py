"""A folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files

from kubefort_agent.resources.undo import RemoveFolder, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class Folder:
    """A folder with a mode; what lies in it is not our business."""

    path: Path
    mode: int = 0o755
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"folder {self.path}"

    async def diff(self, host: Host) -> tuple[str, ...]:
        place = host.path(self.path)
        if not place.is_dir():
            return (f"{self.path}: is missing",)
        found = place.stat().st_mode & 0o7777
        return () if found == self.mode else (f"{self.path}: mode is {found:04o}, wanted {self.mode:04o}",)

    async def apply(self, host: Host) -> None:
        place = host.path(self.path)
        files.make_folder(place, self.mode)
        place.chmod(self.mode)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return () if host.path(self.path).is_dir() else (RemoveFolder(str(self.path)),)
