"""A copy of etcd's data is there as a whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kubefort.errors import KubefortError, Unavailable
from kubefort_coordinator.etcd.snapshots import keep_newest, save

DATA = os.urandom(512 * 8)
WHOLE = DATA + hashlib.sha256(DATA).digest()


async def stream(data: bytes, size: int, error: Exception | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
    if error is not None:
        raise error


@pytest.mark.parametrize("size", [1, 7, 512, 513, 100_000])
async def test_however_it_is_cut_it_is_written_and_checked(tmp_path: Path, size: int) -> None:
    target = tmp_path / "snapshots" / "one.db"
    assert await save(stream(WHOLE, size), target) == len(WHOLE)
    assert target.read_bytes() == WHOLE
    assert [path.name for path in target.parent.iterdir()] == ["one.db"]


@pytest.mark.parametrize("data", [b"", WHOLE[:-1], WHOLE[1:], WHOLE[:-32], bytes([WHOLE[0] ^ 1]) + WHOLE[1:]])
async def test_a_damaged_one_is_refused_and_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(KubefortError, match="checksum"):
        await save(stream(data, 512), tmp_path / "one.db")
    assert list(tmp_path.iterdir()) == []


async def test_one_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await save(stream(WHOLE[:1024], 512, Unavailable("etcd went")), tmp_path / "one.db")
    assert list(tmp_path.iterdir()) == []


def test_old_copies_go(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.db").write_text("")
        os.utime(tmp_path / f"{number}.db", (number, number))
    keep_newest(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.db", "3.db"]
