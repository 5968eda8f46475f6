"""What was done and how long it took: progress while it happens, a table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Steps in order with their durations in seconds, and figures that were measured on the way."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and note how long it took; a step that fails is noted as failed."""
        print(f"==> {title}", file=sys.stderr, flush=True)
        start = time.monotonic()
        try:
            yield
        except BaseException:
            self.rows.append((title, f"failed after {time.monotonic() - start:.1f} s"))
            raise
        self.rows.append((title, f"{time.monotonic() - start:.1f} s"))

    def figure(self, what: str, value: str) -> None:
        """Note something measured."""
        self.rows.append((what, value))

    def table(self) -> str:
        """All rows, aligned."""
        width = max((len(title) for title, _ in self.rows), default=0)
        return "\n".join(f"{title:<{width}}  {value:>12}" for title, value in self.rows)
