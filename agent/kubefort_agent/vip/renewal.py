"""Renewing the address beside the loop: the kernel's network lock may be held for long by others, adverts may not wait.

The thread renews only when the loop says so. A process that is stopped, starved or hung says nothing, and the kernel
takes the address away.
"""

from __future__ import annotations

import _thread
import contextlib
import socket

from kubefort.errors import Unavailable

from kubefort_agent.vip.netlink import Kernel
from kubefort_agent.vip.realtime import schedule

_DONE, _FAILED = b".", b"!"


class Renewal:
    """`fileno` is readable when a renewal has failed, and, unless `quiet`, when one has ended: call `finish`."""

    def __init__(self, index: int, cidrs: tuple[str, ...], lifetime_s: int) -> None:
        self._index, self._cidrs, self._lifetime = index, cidrs, lifetime_s
        self._loop, self._worker = socket.socketpair()
        self._loop.setblocking(False)
        self._kernel = Kernel(events=False)
        self.busy = False
        self.quiet = False
        self.failure = ""
        _thread.stack_size(256 * 1024)
        _thread.start_new_thread(self._work, ())

    def fileno(self) -> int:
        return self._loop.fileno()

    def close(self) -> None:
        """The thread ends by itself, once what it does has ended."""
        self._loop.close()

    def start(self) -> bool:
        """Renew once; False when the former renewal has not ended yet."""
        if self.busy:
            return False
        self.busy = True
        with contextlib.suppress(OSError):
            self._loop.send(b"r")
        return True

    def finish(self) -> None:
        """Raises Unavailable when the kernel refused the renewal."""
        try:
            failed = _FAILED in self._loop.recv(16)
        except BlockingIOError:
            return
        if failed:
            raise Unavailable(self.failure)

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            # Not left behind the loop: both share the interpreter's lock.
            schedule()
        with self._worker, contextlib.suppress(OSError):
            while self._worker.recv(1):
                try:
                    for cidr in self._cidrs:
                        self._kernel.put_address(self._index, cidr, self._lifetime)
                    self.busy = False
                    # Looked at after the address was put on: who is no longer quiet takes it off again.
                    if not self.quiet:
                        self._worker.send(_DONE)
                except Unavailable as error:
                    self.failure, self.busy = error.message, False
                    self._worker.send(_FAILED)
        self._kernel.close()
