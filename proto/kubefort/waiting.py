"""Waiting with a deadline that Python 3.10 has as well, and the pauses between tries."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Await `work` for at most `seconds`; then cancel it and raise TimeoutError (the builtin, on every Python).

    Unlike asyncio.wait_for before 3.12, a result that arrives together with the deadline is not lost.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=5.0)
        raise
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=5.0)
        raise TimeoutError
    return task.result()


def backoff(first: float, most: float, factor: float = 2.0) -> Iterator[float]:
    """Pauses in seconds: growing from `first` to `most`, each with "full jitter" in its upper half."""
    pause = first
    while True:
        yield pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        pause = min(most, pause * factor)
