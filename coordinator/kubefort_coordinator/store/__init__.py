"""Where the coordinator keeps its records: an interface of documents by kind and name, and SQLite behind it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Store(Protocol):
    """Documents (bytes) by kind and name, and a bounded log of events. Every write is durable when it returns."""

    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside, or none. May be nested; the outermost one counts."""
        ...

    def get(self, kind: str, name: str) -> bytes | None: ...

    def put(self, kind: str, name: str, body: bytes) -> None: ...

    def delete(self, kind: str, name: str) -> bool:
        """False where there was none."""
        ...

    def items(self, kind: str) -> list[tuple[str, bytes]]:
        """Names and documents of a kind, in the order of their first writing."""
        ...

    def add_event(self, body: bytes) -> int:
        """Append to the log of events, dropping the oldest beyond its bound; returns its number."""
        ...

    def events(self, after: int = 0) -> list[tuple[int, bytes]]:
        """Numbers and events behind the one with number `after`, oldest first."""
        ...

    def close(self) -> None: ...
