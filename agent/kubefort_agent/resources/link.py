"""A symbolic link."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files

from kubefort_agent.resources.undo import RestoreLink, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host

ASIDE = ".before-kubefort"


@dataclass(frozen=True)
class Link:
    """`path` points to `target`; a file that lay there before us is moved aside."""

    path: Path
    target: str
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"link {self.path}"

    async def diff(self, host: Host) -> tuple[str, ...]:
        place = host.path(self.path)
        if place.is_symlink():
            found = os.readlink(place)
            return () if found == self.target else (f"{self.path}: points to {found}, wanted {self.target}",)
        return (
            f"{self.path}: is a file, wanted a link to {self.target}" if place.exists() else f"{self.path}: is missing",
        )

    async def apply(self, host: Host) -> None:
        place = host.path(self.path)
        aside = place.with_name(place.name + ASIDE)
        if place.exists() and not place.is_symlink() and not aside.exists():  # what lay there first is what comes back
            place.rename(aside)
        files.link(place, self.target)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        place = host.path(self.path)
        if place.is_symlink():
            return (RestoreLink(str(self.path), os.readlink(place)),)
        return (RestoreLink(str(self.path), aside=f"{self.path}{ASIDE}" if place.exists() else ""),)
