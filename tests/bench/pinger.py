"""A client of the virtual IP: an ICMP echo every millisecond, and how long answers stayed away. Answered by kernels."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

from tests.netns.hosts import ROOT, Host

PERIOD = 0.001
NOTED = 0.002
PROGRAM = "from tests.bench.pinger import main; main()"


class Pinger:
    """Runs `main` in a host's namespace. Times are CLOCK_MONOTONIC, the same in every process."""

    def __init__(self, host: Host, target: str) -> None:
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", host.namespace, sys.executable, "-c", PROGRAM, target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def gaps(self) -> tuple[list[tuple[float, float]], float]:
        """The silences so far as (last answer before, first one after), and when the last answer came."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("gaps\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return [(start, end) for start, end in told["gaps"]], told["last"]

    def answered(self) -> bool:
        """Whether an answer came a moment ago."""
        return time.monotonic() - self.gaps()[1] < 0.05

    def longest(self, since: float) -> float:
        """The longest silence (seconds) that ended after `since`; a period where there was none."""
        return max((end - start for start, end in self.gaps()[0] if end > since), default=PERIOD)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def main() -> None:
    """The child: `gaps` on standard input is answered by one line."""
    gc.disable()
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    echo.connect((sys.argv[1], 0))
    echo.setblocking(False)
    gaps: list[tuple[float, float]] = []
    last, following = time.monotonic(), time.monotonic()
    while True:
        ready = select.select([echo.fileno(), 0], [], [], max(0.0, following - time.monotonic()))[0]
        now = time.monotonic()
        if echo.fileno() in ready:
            with contextlib.suppress(OSError):
                while True:
                    if echo.recv(256)[20] == 0:
                        if now - last >= NOTED:
                            gaps.append((last, now))
                        last = now
        if now >= following:
            following = max(following + PERIOD, now)
            with contextlib.suppress(OSError):
                echo.send(_request(os.getpid() & 0xFFFF))
        if 0 in ready:
            if not os.read(0, 100):
                return
            print(json.dumps({"gaps": gaps, "last": last}), flush=True)


def _request(identifier: int) -> bytes:
    total = 0x0800 + identifier
    checksum = ~(total + (total >> 16)) & 0xFFFF
    return struct.pack("!BBHHH", 8, 0, checksum, identifier, 0)
