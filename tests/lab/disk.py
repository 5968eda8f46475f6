"""A host's disk: an ext4 file system in a sparse file, whose power can be cut.

    absent ── create ──▶ off ── attach ──▶ on ── cut ──▶ dead ── detach ──▶ off

`cut` is ext4's shutdown ioctl without a log flush, which file system developers test power loss with: from that instant
nothing reaches the file, neither dirty pages nor the running transaction, and attaching again replays the journal.
commit=300 leaves renames and the like, which a program did not fsync, five minutes in memory instead of five seconds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

from tests.lab.paths import cache, locked
from tests.lab.shell import CommandError, LabError, run, run_coded, say, step, until

FOLDERS = ("etc", "var", "opt", "usr/local")
"""What of a host is on its disk; the rest (/usr, /root) is the container's and survives a power cut."""

SIZE_GIB = 20
EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32), fs/ext4/ext4.h
NO_LOG_FLUSH = 2


@dataclass(frozen=True)
class Disk:
    """The disk of one host: `file` holds the file system, which is mounted at `mount` while attached."""

    file: Path
    mount: Path

    def binds(self) -> list[str]:
        """`docker run` arguments that put the disk's folders over the host's."""
        return [f"--volume={self.mount / folder}:/{folder}" for folder in FOLDERS]

    def create(self, image: str) -> None:
        """Make the file anew, filled with what `image` has in these folders."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        run("cp", "--sparse=always", _template(image), self.file, timeout=300)

    def attach(self) -> None:
        """Mount; replays the journal after a power cut."""
        self.mount.mkdir(parents=True, exist_ok=True)
        if not os.path.ismount(self.mount):
            run("mount", "-o", "loop,commit=300", self.file, self.mount, timeout=120)

    def cut(self) -> None:
        """Nothing reaches the file any more."""
        handle = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def detach(self) -> None:
        """Unmount. A mount namespace that somebody made meanwhile may hold the old mount: then the file is replaced."""
        loop = self._loop()
        self._unmount()
        try:
            until("the disk is free", lambda: self._loop() is None, 5)
        except LabError:
            say(f"{loop} is held by another mount namespace: going on with a copy of {self.file.name}")
            fresh = self.file.with_suffix(".copy")
            run("cp", "--sparse=always", self.file, fresh, timeout=300)
            fresh.replace(self.file)

    def remove(self) -> None:
        """File and mount are gone afterwards; nothing is written back to a file that goes anyway."""
        if os.path.ismount(self.mount):
            self.cut()
        self._unmount()
        self.file.unlink(missing_ok=True)
        if self.mount.exists():
            self.mount.rmdir()

    def _unmount(self) -> None:
        if os.path.ismount(self.mount) and run_coded("umount", self.mount, check=False, timeout=120)[0] != 0:
            run("umount", "-l", self.mount)

    def _loop(self) -> str | None:
        listed = run("losetup", "--noheadings", "--output=NAME", "--associated", self.file, check=False)
        return listed.split()[0] if listed.split() else None


def _template(image: str) -> Path:
    """An ext4 file filled from the image; made once per image."""
    file = cache() / "templates" / f"{image.replace('/', '_').replace(':', '_')}-{SIZE_GIB}g.ext4"
    with locked("template"):
        if not file.exists():
            with step(f"filling a disk from {image}"):
                _fill(image, file)
    return file


def _fill(image: str, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    for old in file.parent.iterdir():
        suite = image.partition(":")[0].replace("/", "_")
        if old.name.startswith(suite):
            old.unlink()
    half, mount = file.with_suffix(".half"), file.parent / "mount"
    with half.open("wb") as handle:
        handle.truncate(SIZE_GIB * 2**30)
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=0", half, timeout=120)
    mount.mkdir(exist_ok=True)
    run("mount", "-o", "loop", half, mount)
    container = run("docker", "create", image).strip()
    try:
        for folder in FOLDERS:
            (mount / folder).parent.mkdir(parents=True, exist_ok=True)
            run("docker", "cp", "--archive", f"{container}:/{folder}", mount / folder, timeout=120)
        shutil.rmtree(mount / "lost+found", ignore_errors=True)
    except CommandError as error:
        raise LabError(f"cannot fill a disk from {image}: {error}") from error
    finally:
        run("docker", "rm", container)
        run("umount", mount)
    half.rename(file)
