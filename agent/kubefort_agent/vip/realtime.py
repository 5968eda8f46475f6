"""What keeps the loop on time, and systemd informed; each part degrades to a warning where the host refuses it."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import time

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_MADV_DONTNEED = 4
_PRIORITY = 50


def monotonic() -> float:
    """Seconds that go on while the host is suspended, and never jump."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def log(level: int, message: str) -> None:
    """One line for journald (level: 3 error, 4 warning, 6 information). structlog would cost 8 MB here."""
    prefix = f"<{level}>" if "JOURNAL_STREAM" in os.environ else ""
    print(f"{prefix}{message}", file=sys.stderr, flush=True)


def enter() -> list[str]:
    """Real-time scheduling, memory locked, no cyclic garbage collection; what could not be had, in words."""
    refused = []
    # Before it is locked.
    lean()
    try:
        schedule()
    except OSError as error:
        refused.append(f"no real-time scheduling ({error.strerror}): adverts may be late on a busy host")
    # Pages are locked as they are touched: locking all that is mapped would double the memory.
    flags = _MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(flags) != 0:
        refused.append(
            f"memory not locked ({os.strerror(ctypes.get_errno())}): adverts may be late under memory pressure"
        )
    return refused


def lean() -> None:
    """Let go of what only starting took: heap, and the program code of libraries, which comes back as it is used."""
    gc.collect()
    gc.freeze()
    gc.disable()
    libc = ctypes.CDLL(None)
    libc.malloc_trim(0)
    libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        found = [line.split(None, 5) for line in maps]
    for span, rights, *_, name in (words for words in found if len(words) == 6):
        # Code only: what is written to, once by the loader even, is nowhere else.
        if rights == "r-xp" and name.startswith("/"):
            start, end = (int(number, 16) for number in span.split("-"))
            libc.madvise(start, end - start, _MADV_DONTNEED)


def schedule() -> None:
    """Real-time scheduling for the calling thread, and not for what it starts. Raises OSError where that is refused."""
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))


def notify(message: str) -> None:
    """Tell systemd (sd_notify(3)); nothing happens without it."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as unix:
        unix.setblocking(False)
        try:
            unix.sendto(message.encode(), address)
        except OSError as error:
            log(4, f"systemd was not told {message!r}: {error.strerror}")


def watchdog_interval() -> float | None:
    """Seconds between two signs of life, a third of what systemd allows; None without a watchdog."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(allowed) / 3e6 if allowed.isdigit() and mine else None


class Signals:
    """SIGTERM, SIGINT and SIGHUP as bytes to read from `fileno`, so that they interrupt nothing."""

    def __init__(self) -> None:
        self._out, self._in = socket.socketpair()
        for end in (self._out, self._in):
            end.setblocking(False)
        signal.set_wakeup_fd(self._in.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        return self._out.fileno()

    def read(self) -> set[int]:
        """The signals' numbers since the last time."""
        return set(self._out.recv(256))
