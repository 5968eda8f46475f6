"""The one place that writes files: whole or not at all, also through a power cut."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make names in `folder` durable (fsync of the folder)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, mode: int = 0o755) -> None:
    """Make `folder` and what is missing above it, durably; an existing folder keeps its mode."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=mode)
    sync_folder(folder.parent)


def write(path: Path, content: bytes | str, mode: int = 0o644, owner: tuple[int, int] | None = None) -> None:
    """Write a file durably: dot-prefixed temporary file beside it, fsync, rename, fsync of the folder.

    The name begins with a dot because kubelet reads every other name in its manifest folder. `mode` holds whatever the
    umask is; `owner` is (uid, gid).
    """
    data = content.encode() if isinstance(content, str) else content
    make_folder(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def link(path: Path, target: str) -> None:
    """Make `path` a symbolic link to `target`, replacing atomically what was there, durably."""
    make_folder(path.parent)
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(target)
    os.replace(temporary, path)
    sync_folder(path.parent)


def remove(path: Path) -> bool:
    """Remove a file or a link durably; True when there was one."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True
