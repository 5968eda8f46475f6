"""Who has the virtual IP when: the kernel's own reports of addresses put on and taken off."""

from __future__ import annotations

import os
import re
import subprocess
import time
from datetime import datetime

from tests.netns.hosts import VIP, Host

_LINE = re.compile(r"\[(\S+)\] (Deleted )?\d+: (?!lo\b)\S+\s+inet (\S+)/")


class Holding:
    """Watches one host; times are seconds since 1970."""

    def __init__(self, host: Host) -> None:
        self._process = subprocess.Popen(
            ["ip", "-n", host.namespace, "-ts", "-o", "monitor", "address"], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._rest = b""
        self._changes: list[tuple[float, bool]] = []

    def changes(self) -> list[tuple[float, bool]]:
        """When it was taken (True) and lost (False); renewals are none."""
        while True:
            try:
                data = os.read(self._pipe, 65536)
            except BlockingIOError:
                break
            if not data:
                break
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._note(line.decode(errors="replace"))
        return self._changes

    def _note(self, line: str) -> None:
        found = _LINE.match(line)
        if found is None or found[3] != VIP:
            return
        has = found[2] is None
        if has != self.holds_now:
            self._changes.append((datetime.fromisoformat(found[1]).timestamp(), has))

    @property
    def holds_now(self) -> bool:
        return bool(self._changes) and self._changes[-1][1]

    def holds(self) -> bool:
        """Whether it has it now."""
        self.changes()
        return self.holds_now

    def spans(self, since: float) -> list[tuple[float, float]]:
        """When it had it, from `since` on."""
        result, begun = [], None
        for at, has in [*self.changes(), (time.time(), False)]:
            if has:
                begun = at
            elif begun is not None and at > since:
                result.append((max(begun, since), at))
                begun = None
        return result

    def held(self) -> None:
        """For a watch that begins when the host has the address already."""
        self._changes.insert(0, (0.0, True))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def together(one: Holding, other: Holding, since: float) -> float:
    """Seconds in which both had it."""
    pairs = [(a, b) for a in one.spans(since) for b in other.spans(since)]
    return sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a, b in pairs)


def without(watches: list[Holding], since: float) -> float:
    """Seconds in which none had it, till now."""
    end, covered, at = time.time(), 0.0, since
    for start, stop in sorted(span for watch in watches for span in watch.spans(since)):
        covered += max(0.0, stop - max(start, at))
        at = max(at, stop)
    return max(0.0, end - since - covered)
