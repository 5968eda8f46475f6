"""A file with a content and a mode."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files

from kubefort_agent.resources.starts import forget_start
from kubefort_agent.resources.undo import RestoreFile, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host

MOST_LINES = 40


@dataclass(frozen=True)
class File:
    """A file; a folder that is missing above it is made. `unit` reads it only at its start, and is restarted after."""

    path: Path
    content: bytes
    mode: int = 0o644
    unit: str = ""
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"file {self.path}"

    async def diff(self, host: Host) -> tuple[str, ...]:
        private = not self.mode & 0o077
        return difference(host.path(self.path), self.path, self.content, self.mode, secret=private)

    async def apply(self, host: Host) -> None:
        if self.unit:  # before the file: what was started with another content must not count as started with ours
            forget_start(host, self.unit)
        files.write(host.path(self.path), self.content, self.mode)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (before(host, self.path),)


def difference(place: Path, name: Path, content: bytes, mode: int, *, secret: bool = False) -> tuple[str, ...]:
    """How the file at `place` differs, in unified-diff lines where it is text and no secret."""
    try:
        found = place.read_bytes()
        found_mode = place.stat().st_mode & 0o7777
    except FileNotFoundError:
        return (f"{name}: is missing",)
    lines: list[str] = []
    if found != content:
        lines += _text_difference(name, found, content) if not secret else [f"{name}: content differs"]
    if found_mode != mode:
        lines.append(f"{name}: mode is {found_mode:04o}, wanted {mode:04o}")
    return tuple(lines)


def _text_difference(name: Path, found: bytes, wanted: bytes) -> list[str]:
    try:
        old, new = found.decode(), wanted.decode()
    except UnicodeDecodeError:
        return [f"{name}: content differs"]
    lines = [
        f"{name}: {line}"
        for line in difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"{name}: and {len(lines) - MOST_LINES} lines more"]
    return lines or [f"{name}: line endings differ"]


def before(host: Host, path: Path) -> RestoreFile:
    """What brings back the file that lies at `path` now, and takes away the folders that will be made for it."""
    place = host.path(path)
    try:
        return RestoreFile(str(path), place.read_bytes(), place.stat().st_mode & 0o7777)
    except OSError:
        made = tuple(str(parent) for parent in path.parents if not host.path(parent).exists())
        return RestoreFile(str(path), made=made)
