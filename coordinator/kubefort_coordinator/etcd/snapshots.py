"""Copies of etcd's data: written durably, and checked as etcd's own tools check them (etcdutl snapshot status)."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from kubefort import files
from kubefort.errors import KubefortError

_DIGEST = 32
_PAGE = 512


async def save(chunks: AsyncIterator[bytes], target: Path) -> int:
    """Write a snapshot to `target`, which is there as a whole and checked, or not at all; its size in bytes.

    The stream ends with the SHA-256 of all before it. Raises KubefortError where it does not fit, or cannot be written.
    """
    files.make_folder(target.parent, 0o700)
    temporary = target.with_name(f".{target.name}.new")
    digest, tail, size = hashlib.sha256(), b"", 0
    try:
        with temporary.open("wb") as writer:
            os.fchmod(writer.fileno(), 0o600)
            async for chunk in chunks:
                writer.write(chunk)
                size += len(chunk)
                tail += chunk
                digest.update(tail[:-_DIGEST])
                tail = tail[-_DIGEST:]
            writer.flush()
            await asyncio.to_thread(os.fsync, writer.fileno())
        if size % _PAGE != _DIGEST or digest.digest() != tail:
            raise KubefortError("the copy of etcd's data is damaged: its checksum is wrong", "try again")
        os.replace(temporary, target)
        files.sync_folder(target.parent)
    except OSError as error:
        raise KubefortError(f"etcd's data cannot be copied to {target}: {error.strerror}", "free space") from error
    finally:
        temporary.unlink(missing_ok=True)
    return size


def keep_newest(folder: Path, number: int) -> None:
    """Remove all but the newest copies of a folder."""
    kept = sorted(folder.glob("*.db"), key=lambda path: path.stat().st_mtime)
    for path in kept[:-number]:
        path.unlink()
