"""What the agent made on this host, and how to undo it: written down before it is made."""

from __future__ import annotations

from pathlib import Path

import msgspec
from kubefort import files, paths
from kubefort.document import decode, encode
from kubefort.errors import InvalidInput

from kubefort_agent.resources.undo import Undo

FILE = paths.OWNED


class Entry(msgspec.Struct, frozen=True):
    """A resource's key and what undoes it, to be run in this order."""

    key: str
    undo: tuple[Undo, ...]


class Ledger:
    """Entries in the order of creation, on disk before this returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}
        if path.exists():
            try:
                entries = decode(path.read_bytes(), tuple[Entry, ...], str(path))
            except InvalidInput as error:
                raise InvalidInput(
                    error.message,
                    "Another version of kubefort-agent wrote it, so install that one. Moved away, all that was made "
                    "until now would stay on this host after a reset.",
                ) from error
            self._entries = {entry.key: entry for entry in entries}

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def newest_first(self) -> tuple[Entry, ...]:
        return tuple(reversed(self._entries.values()))

    def add(self, entries: list[Entry]) -> None:
        if entries:
            self._entries.update((entry.key, entry) for entry in entries)
            self._write()

    def drop(self, key: str) -> None:
        del self._entries[key]
        self._write()

    def _write(self) -> None:
        files.write(self._path, encode(tuple(self._entries.values())), 0o600)
