"""Two hosts with the same program on both, a client, and what happens to the address."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.pinger import Pinger
from tests.bench.switch import Adverts, Link
from tests.netns.holding import Holding, together
from tests.netns.hosts import VIP, Host, Lab, wait_for
from tests.netns.traffic import serve, traffic

KEY = {"id": 1, "secret": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}
AUTH = {"mode": "enforce", "keys": [KEY], "send_key_id": 1}
BUSY = 8
PATIENCE = 60.0


@dataclass(frozen=True)
class Program:
    """`start` begins it on a host with a priority and adverts every so many milliseconds; neither preempts."""

    name: str
    start: Callable[[Host, int, int], object]


OURS = Program("kubefort-vip", lambda host, priority, ms: host.vip(priority=priority, interval_ms=ms, auth=AUTH))
PEER = Program(
    "keepalived",
    lambda host, priority, ms: host.keepalived(extra="  nopreempt\n", priority=priority, advert_int=ms / 1000),
)


class Pair:
    """Priorities 254 and 253, as close as planned moves want them. A context manager."""

    def __init__(self, program: Program, interval_ms: int) -> None:
        self.program, self.interval_ms = program, interval_ms
        self._folder = tempfile.TemporaryDirectory()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Pair:
        self.lab = Lab(Path(self._folder.name))
        self._open.callback(self._folder.cleanup)
        self._open.callback(self.lab.close)
        self.hosts = (self.lab.host(), self.lab.host())
        self.client = self.lab.host()
        self._holding = {host.number: Holding(host) for host in self.hosts}
        for holding in self._holding.values():
            self._open.callback(holding.close)
        self._start(self.hosts[0])
        self.until(lambda: self.holds(self.hosts[0]), "the first host takes the address")
        self._start(self.hosts[1])
        self.pinger = Pinger(self.client, VIP)
        self._open.callback(self.pinger.close)
        self._adverts = Adverts(self.client)
        self._open.callback(self._adverts.close)
        self._links = {host.number: Link(self.lab.switch, host) for host in self.hosts}
        for link in self._links.values():
            self._open.callback(link.close)
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _start(self, host: Host) -> None:
        self.program.start(host, 255 - host.number, self.interval_ms)

    def until(self, condition: Callable[[], object], what: str) -> None:
        wait_for(condition, f"{self.program.name}, adverts every {self.interval_ms} ms: {what}", PATIENCE)

    def holds(self, host: Host) -> bool:
        return self._holding[host.number].holds()

    def roles(self) -> tuple[Host, Host]:
        """The holder and the other."""
        one, other = self.hosts
        self.until(lambda: self.holds(one) != self.holds(other), "exactly one holder")
        return (one, other) if self.holds(one) else (other, one)

    def settle(self) -> None:
        """Long enough for a host that came (back) to be a Backup, and the client to be answered."""
        time.sleep(max(1.0, 4 * self.interval_ms / 1000) + 0.3)
        self.roles()
        self.until(self.pinger.answered, "the client is answered")

    def _outage(self, event: Callable[[], object], phase: float) -> float:
        """Milliseconds without an answer around an event that makes the other host the holder.

        It comes `phase` of an interval after an advert: with the same phases for everybody, chance is none's friend.
        """
        active, other = self.roles()
        interval = self.interval_ms / 1000
        moment = self._adverts.next(active.address, 3 * interval) + phase * interval
        time.sleep(max(0.0, moment - time.monotonic()))
        since = time.monotonic()
        event()
        self.until(lambda: self.holds(other), "the other takes over")
        self.until(self.pinger.answered, "the client is answered by the other")
        time.sleep(0.3)
        return self.pinger.longest(since) * 1000

    def cut(self, phase: float) -> float:
        """The holder's link is cut."""
        link = self._links[self.roles()[0].number]
        outage = self._outage(lambda: link.set(plugged=False), phase)
        link.set(plugged=True)
        self.settle()
        return outage

    def stop(self, phase: float) -> float:
        """The holder is told to end (SIGTERM)."""
        active = self.roles()[0]
        process = active.process
        assert process is not None
        outage = self._outage(lambda: os.kill(process.pid, signal.SIGTERM), phase)
        process.wait(PATIENCE)
        self._start(active)
        self.settle()
        return outage

    def two_holders(self, number: int, most: float) -> float:
        """Milliseconds with two holders after a signal to the holder's whole program, looked at for `most` seconds."""
        active, other = self.roles()
        since = time.time()
        active.kill(number)
        self.until(lambda: self.holds(other), "the other takes over")
        with contextlib.suppress(AssertionError):
            wait_for(lambda: not self.holds(active), "", most)
        result = together(self._holding[active.number], self._holding[other.number], since) * 1000
        if number == signal.SIGSTOP:
            active.kill(signal.SIGCONT)
        elif result < most * 1000:
            self._start(active)
        if result < most * 1000:
            self.settle()
        return result

    def hand_over(self) -> float:
        """How many requests fail and open connections break when the address moves on purpose under traffic.

        keepalived has no command for that: it is told to end, what moves the address fastest.
        """
        for host in self.hosts:
            serve(host)
        active, other = self.roles()
        process = active.process
        assert process is not None
        running = traffic(self.client, VIP)
        time.sleep(1.0)
        if self.program is OURS:
            assert active.ask("move", to=other.address)["ok"]
        else:
            os.kill(process.pid, signal.SIGTERM)
        self.until(lambda: self.holds(other) and not self.holds(active), "the other takes over")
        time.sleep(1.0)
        told = json.loads(running.communicate("\n", timeout=PATIENCE)[0])
        failed = sum(error.startswith("request") for error in told["errors"])
        return float(failed + sum(one != another for one, another in zip(told["before"], told["after"], strict=True)))

    def cost(self, seconds: float) -> tuple[float, float]:
        """Resident megabytes and percent of a core, all processes of the holder's program together."""
        process = self.roles()[0].process
        assert process is not None
        members = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _group(pid) == process.pid]
        before = sum(map(_cpu, members))
        time.sleep(seconds)
        used = sum(map(_cpu, members)) - before
        return sum(map(_resident, members)), used / seconds * 100

    def take_overs(self, seconds: float) -> int:
        """How often a host took the address in that time, with nothing wrong but the machine's load."""
        before = sum(len(holding.changes()) for holding in self._holding.values())
        time.sleep(seconds)
        changes = [change for holding in self._holding.values() for change in holding.changes()]
        return sum(has for _, has in sorted(changes)[before:])


def _group(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[2])
    except (OSError, IndexError):
        return 0


def _cpu(pid: int) -> float:
    """Seconds on a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    # A process that has ended and was not waited for has none.
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """So many processes that never rest."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def at_hand() -> str:
    """What is missing for all this, "" where nothing is."""
    missing = [name for name in ("ip", "keepalived") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)} (make apt-test)" if missing else ""
