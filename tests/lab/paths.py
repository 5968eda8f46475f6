"""Where the lab keeps things, and the locks that let several processes use it at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.shell import say


def cache() -> Path:
    """The lab's folder: KUBEFORT_LAB_CACHE, by default ~/.cache/kubefort-lab; made when missing."""
    folder = Path(os.environ.get("KUBEFORT_LAB_CACHE") or Path.home() / ".cache" / "kubefort-lab")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lab's lock `name` against other processes; the kernel frees it when we die."""
    with (cache() / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that holds {handle.name}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
