"""A program of a bundle."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files
from kubefort.model.spec import Artifact
from kubefort.paths import ARTIFACTS

from kubefort_agent.host.digest import fingerprint, sha256
from kubefort_agent.resources.link import Link
from kubefort_agent.resources.undo import RestoreFile, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host

FOLDER = Path("/opt/kubefort/bin")
LINKS = Path("/usr/local/bin")

TOOLS = ("crictl", "etcdctl", "kubeadm", "kubectl")
"""Nothing on the host runs by itself with these: when one is damaged, the coordinator can be waited for. Of every other
program the artifact stays (60 MB for kubelet), so that it is mended while nobody answers."""


@dataclass(frozen=True)
class Binary:
    """The program lies below FOLDER by version; `link` makes it the one that is found in PATH."""

    artifact: Artifact
    version: str
    every: ClassVar[float] = 5.0
    late: ClassVar[bool] = True

    @property
    def key(self) -> str:
        return f"binary {self.artifact.name} {self.version}"

    @property
    def path(self) -> Path:
        return FOLDER / self.version / self.artifact.name

    @property
    def link(self) -> Link:
        return Link(LINKS / self.artifact.name, str(self.path))

    async def diff(self, host: Host) -> tuple[str, ...]:
        place = host.path(self.path)
        print_ = (fingerprint(place), self.artifact.sha256)
        known = host.verdicts.get(self.key)
        if known is not None and known[0] == print_:
            return known[1]
        if not place.exists():
            return (f"{self.path}: is missing",)
        found = await asyncio.to_thread(sha256, place)
        wrong: tuple[str, ...] = ()
        if found != self.artifact.sha256:
            wrong = (f"{self.path}: sha256 is {found}, wanted {self.artifact.sha256}",)
        elif not os.access(place, os.X_OK):
            wrong = (f"{self.path}: cannot be executed",)
        host.verdicts[self.key] = (print_, wrong)
        return wrong

    async def apply(self, host: Host) -> None:
        source = await host.supplies.artifact(self.artifact)
        await asyncio.to_thread(_install, source, host.path(self.path))
        if self.artifact.name in TOOLS:
            host.supplies.forget(self.artifact)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return RestoreFile(str(self.path)), RestoreFile(str(ARTIFACTS / self.artifact.sha256))


def _install(source: Path, place: Path) -> None:
    """A durable copy, never in whole in memory; the running program keeps its old file."""
    files.make_folder(place.parent)
    temporary = place.with_name(f".{place.name}.tmp")
    try:
        with source.open("rb") as reader, temporary.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
            os.fchmod(writer.fileno(), 0o755)
            writer.flush()
            os.fsync(writer.fileno())
        os.replace(temporary, place)
    except BaseException:  # a disk that is full does not get better by half a program
        temporary.unlink(missing_ok=True)
        raise
    files.sync_folder(place.parent)
