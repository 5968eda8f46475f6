"""Memory that a burst of work took is given back, for the agent is at rest most of the time."""

from __future__ import annotations

import ctypes
import gc

_M_ARENA_MAX = -8  # malloc.h


def few_arenas(most: int = 2) -> None:
    """Let all threads share few of glibc's arenas: each would keep its own free pages. To be called at the start."""
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, most)
    except (AttributeError, OSError):
        return


def give_back() -> None:
    """Collect garbage, and hand the allocator's free pages to the kernel (glibc only; elsewhere nothing happens)."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return
