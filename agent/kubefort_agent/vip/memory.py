"""What must outlive the process: our advert sequence, and the highest one heard of each router.

The exact number lies in a memory-mapped file below /run, written at every advert and safe against kill -9. The one on
disk, written every few minutes, is ahead of anything sent till the next write: after a power loss with a dead clock
battery we go on from there, and our peers do not take our adverts for replayed ones.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path

import msgspec

from kubefort_agent.vip import auth, codec
from kubefort_agent.vip.realtime import log

_SAVE_EVERY = 300.0
_AHEAD = int(2 * _SAVE_EVERY) << 32


class _Saved(msgspec.Struct, frozen=True):
    sent: int
    seen: dict[str, int]


class Memory:
    """Raises OSError when the folders cannot be used."""

    def __init__(self, run_folder: Path, state_folder: Path) -> None:
        run_folder.mkdir(parents=True, exist_ok=True)
        self._path = state_folder / "sequence.json"
        exact = run_folder / "sequence"
        with exact.open("a+b") as file:
            if file.seek(0, 2) != 8:
                file.truncate(8)
            self._map = mmap.mmap(file.fileno(), 8)
        self.deadline = 0.0
        self._child = 0

    def restore(self, sequence: auth.Sequence, verifier: auth.Verifier) -> None:
        """Set both to where they were; a sender that must agree with the clock trusts only the exact number."""
        sequence.last = struct.unpack("=Q", self._map[:8])[0]
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=_Saved)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log(4, f"{self._path} is not usable, adverts start from the clock: {error}")
            return
        if not sequence.last and verifier.window_s is None:
            sequence.last = saved.sent
        for name, number in saved.seen.items():
            address, _, key_id = name.rpartition("/")
            verifier.seen[codec.pack(address), int(key_id)] = number

    def note(self, sequence: auth.Sequence) -> None:
        """Remember the number just used."""
        self._map[:8] = struct.pack("=Q", sequence.last)

    def save(self, now: float, sequence: auth.Sequence, verifier: auth.Verifier) -> None:
        """Write the file on disk in a process of its own: an fsync may take seconds, and adverts may not."""
        self.deadline = now + _SAVE_EVERY
        content = self.content(sequence, verifier)
        self.reap()
        if self._child:
            return
        # A fork and not a thread: a thread would compete with the loop for the interpreter.
        self._child = os.fork()
        if self._child == 0:
            try:
                self._write(content)
            finally:
                os._exit(0)

    def reap(self) -> None:
        """Nothing stays of a process that has written."""
        if self._child and os.waitpid(self._child, os.WNOHANG)[0]:
            self._child = 0

    def content(self, sequence: auth.Sequence, verifier: auth.Verifier) -> bytes:
        """What goes to the disk."""
        seen = {f"{codec.text(source)}/{key_id}": number for (source, key_id), number in verifier.seen.items()}
        return msgspec.json.encode(_Saved((sequence.last + _AHEAD) % (1 << 64), seen))

    def _write(self, content: bytes) -> None:
        # Imported in the child only, for the sake of the parent's memory.
        from kubefort import files

        try:
            files.write(self._path, content, mode=0o600)
        except OSError as error:
            log(4, f"{self._path} was not written: {error.strerror}")
