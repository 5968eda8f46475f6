"""The store in one SQLite file: WAL, every commit synced to the disk."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kubefort import files
from kubefort.errors import KubefortError, Unavailable

EVENTS_KEPT = 2000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (kind, name)
);
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
"""


class SqliteStore:
    """See `Store`. To be used from one thread; a write takes some milliseconds."""

    def __init__(self, path: Path) -> None:
        files.make_folder(path.parent, 0o700)
        try:
            self._database = sqlite3.connect(path, isolation_level=None, timeout=10.0)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute("PRAGMA temp_store=MEMORY")  # the service may write nowhere else than in its folder
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise KubefortError(f"{path}: {error}", "is another coordinator running, is the disk full?") from error
        path.chmod(0o600)
        files.sync_folder(path.parent)
        self._depth = 0

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise Unavailable(
                f"the coordinator's record cannot be read or written: {error}",
                "see whether its disk is full or damaged: `df /var/lib/kubefort`, `journalctl -k`",
            ) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        if self._depth == 0:
            self._execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0 and self._database.in_transaction:
                self._execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            try:
                self._execute("COMMIT")
            except Unavailable:
                if self._database.in_transaction:
                    self._database.rollback()
                raise

    def get(self, kind: str, name: str) -> bytes | None:
        row = self._execute("SELECT body FROM documents WHERE kind=? AND name=?", (kind, name)).fetchone()
        return None if row is None else bytes(row[0])

    def put(self, kind: str, name: str, body: bytes) -> None:
        self._execute(
            "INSERT INTO documents (kind, name, body) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, name) DO UPDATE SET body=excluded.body",
            (kind, name, body),
        )

    def delete(self, kind: str, name: str) -> bool:
        return self._execute("DELETE FROM documents WHERE kind=? AND name=?", (kind, name)).rowcount > 0

    def items(self, kind: str) -> list[tuple[str, bytes]]:
        rows = self._execute("SELECT name, body FROM documents WHERE kind=? ORDER BY number", (kind,))
        return [(str(name), bytes(body)) for name, body in rows]

    def add_event(self, body: bytes) -> int:
        with self.transaction():
            number = self._execute("INSERT INTO events (body) VALUES (?)", (body,)).lastrowid or 0
            self._execute("DELETE FROM events WHERE number <= ?", (number - EVENTS_KEPT,))
        return number

    def events(self, after: int = 0) -> list[tuple[int, bytes]]:
        rows = self._execute("SELECT number, body FROM events WHERE number > ? ORDER BY number", (after,))
        return [(int(number), bytes(body)) for number, body in rows]

    def close(self) -> None:
        self._database.close()
