"""The process' one loop: packets, timers, kernel events, health and status, each in turn, none blocking."""

from __future__ import annotations

import os
import select
import signal
import time
from collections import deque
from pathlib import Path

from kubefort import vipfile
from kubefort.errors import KubefortError, Unavailable
from kubefort.vipfile import VipReply, VipRequest, VipStatus

from kubefort_agent.vip import codec, realtime
from kubefort_agent.vip.arp import Detector
from kubefort_agent.vip.drain import Drain
from kubefort_agent.vip.fitness import Fitness
from kubefort_agent.vip.group import IDENTITY, Group
from kubefort_agent.vip.machine import Action, Announce, Claim, Machine, Prepare, Release, Send, State, settings
from kubefort_agent.vip.memory import Memory
from kubefort_agent.vip.netlink import AddressGone, Kernel, LinkEvent
from kubefort_agent.vip.ownership import Ownership
from kubefort_agent.vip.realtime import log, monotonic
from kubefort_agent.vip.report import Counters, document
from kubefort_agent.vip.sockets import Wire
from kubefort_agent.vip.status import Client, StatusServer

_PACKETS_A_TURN = 256
# As many as the receive buffer holds, and some that come meanwhile.
_ALL_PACKETS = 2048
_RETRY = 0.5
_TOGETHER = 0.05
_LOOK_AT_FILE = 1.0


class Loop:
    """Runs one virtual router from its file until SIGTERM. Raises InvalidInput when the file is wrong at the start."""

    def __init__(self, path: Path, run_folder: Path, state_folder: Path) -> None:
        self._path = path
        self._config = vipfile.load(path)
        self._memory = Memory(run_folder, state_folder)
        self._kernel = Kernel()
        self._group = Group(self._config)
        self._memory.restore(self._group.sequence, self._group.verifier)
        self._machine = Machine(settings(self._config), healthy=self._config.health is None)
        self._wire: Wire | None = None
        self._ownership: Ownership | None = None
        self._drain = Drain(self._kernel, self._config)
        self._detector: Detector | None = None
        self._link_index = 0
        self._fitness = Fitness()
        self._status = StatusServer(run_folder / "vip.sock", self._command)
        self._mover: Client | None = None
        self._events: deque[str] = deque(maxlen=20)
        self._warnings: list[str] = []
        self._refused: list[str] = []
        self._counters = Counters(monotonic())
        self._retry_at: float | None = 0.0
        self._file_stamp = self._stamp()
        self._look_at: float = 0.0
        self._watchdog = realtime.watchdog_interval()
        self._watchdog_at: float | None = 0.0 if self._watchdog else None
        self._signals = realtime.Signals()
        self._fitness.configure(self._config.health, monotonic())

    def run(self) -> None:
        """Until told to stop; the address is off when it returns."""
        self._refused = realtime.enter()
        for warning in self._refused:
            log(4, warning)
        self._memory.save(monotonic(), self._group.sequence, self._group.verifier)
        self._drain.clean()
        realtime.notify("READY=1")
        try:
            while not (self._machine.stopping and self._machine.state is State.INITIALIZE):
                self._turn()
        finally:
            self._leave("stopped")
            self._status.close()
            self._kernel.close()

    def _turn(self) -> None:
        ready = self._wait()
        now = monotonic()
        if self._signals.fileno() in ready:
            self._on_signals(now)
        # Before the timer is judged, in any case: what came while this process had no processor counts.
        due = self._machine.deadline is not None and now >= self._machine.deadline
        if self._wire is not None and (due or self._wire.fileno() in ready):
            self._read_wire(now, _ALL_PACKETS if due else _PACKETS_A_TURN)
        if self._detector is not None and self._detector.fileno() in ready:
            self._detector.read()
        if self._drain.fileno() in ready:
            self._drain.finish()
            self._do(now, self._machine.prepared(now))
        self._on_machine_timer(now)
        if self._ownership is not None and self._ownership.fileno() in ready:
            self._on_renewed(now)
        if self._kernel.fileno() in ready:
            self._on_kernel_events(now)
        self._on_other_timers(now)
        self._check_health(now, ready)
        self._status.step(now, ready)

    def _wait(self) -> set[int]:
        reads = [self._signals.fileno(), self._kernel.fileno(), *self._status.filenos()]
        writes: list[int] = []
        if self._wire is not None:
            reads.append(self._wire.fileno())
        if self._ownership is not None:
            reads.append(self._ownership.fileno())
        if self._detector is not None:
            reads.append(self._detector.fileno())
        if self._drain.fileno() >= 0:
            reads.append(self._drain.fileno())
        if self._fitness.fileno() >= 0:
            (writes if self._fitness.wants_write else reads).append(self._fitness.fileno())
        times = [
            self._machine.deadline,
            self._ownership.deadline if self._ownership else None,
            self._fitness.deadline,
            self._drain.deadline,
            self._retry_at,
            self._look_at,
            self._memory.deadline,
            self._watchdog_at,
        ]
        pause = max(0.0, min(at for at in times if at is not None) - monotonic())
        # select(2) and not epoll: its timeout has microseconds, epoll's milliseconds.
        readable, writable, _ = select.select(reads, writes, [], pause)
        return {*readable, *writable}

    def _on_signals(self, now: float) -> None:
        numbers = self._signals.read()
        if signal.SIGHUP in numbers:
            self._reload(now)
        if (signal.SIGTERM in numbers or signal.SIGINT in numbers) and not self._machine.stopping:
            realtime.notify("STOPPING=1")
            self._do(now, self._machine.shutdown(now))

    def _read_wire(self, now: float, most: int) -> None:
        assert self._wire is not None
        for packet in self._wire.receive(most):
            heard = self._group.receive(packet, now)
            if heard is not None:
                self._stop_detecting()
                self._do(now, self._machine.advert(now, heard.source, heard.priority, heard.interval, heard.offer))
            if self._wire is None:
                return

    def _on_machine_timer(self, now: float) -> None:
        if self._machine.deadline is not None and now >= self._machine.deadline:
            late = now - self._machine.deadline
            self._counters.worst_late = max(self._counters.worst_late, late)
            if self._detector is not None and self._detector.found:
                self._machine.obstructed(now, self._detector.found)
                self._detector.ask()
                self._do(now, [])
                return
            self._stop_detecting()
            self._do(now, self._machine.timer(now))
            if self._ownership is not None:
                # Awake anyhow: one turn less.
                self._ownership.timer(now, early=min(_TOGETHER, self._config.interval_ms / 2000))

    def _stop_detecting(self) -> None:
        if self._detector is not None:
            self._detector.close()
            self._detector = None

    def _on_kernel_events(self, now: float) -> None:
        for event in self._kernel.events():
            if isinstance(event, LinkEvent) and event.index == self._link_index:
                if event.link is None or not event.link.up:
                    self._give_up(now, f"{self._config.interface} is down")
            elif isinstance(event, AddressGone) and event.index == self._link_index:
                self._on_address_gone(now, event)

    def _on_renewed(self, now: float) -> None:
        assert self._ownership is not None
        try:
            self._ownership.renewed()
        except Unavailable as error:
            self._give_up(now, error.message)

    def _on_address_gone(self, now: float, event: AddressGone) -> None:
        if event.address == self._group.source:
            self._give_up(now, f"our own address {self._config.source} is gone")
        elif self._ownership is not None:
            try:
                if self._ownership.gone(now, event.index, event.address):
                    self._note(f"{codec.text(event.address)} was taken off: put back and announced again")
            except Unavailable as error:
                self._give_up(now, error.message)

    def _on_other_timers(self, now: float) -> None:
        if self._ownership is not None:
            self._ownership.timer(now)
        self._drain.timer(now)
        if self._retry_at is not None and now >= self._retry_at:
            self._enter_group(now)
        if now >= self._look_at:
            self._look_at = now + _LOOK_AT_FILE
            if self._wire is not None:
                self._group.refuse(self._wire.others(_PACKETS_A_TURN), self._wire.overflowed(), now)
            self._memory.reap()
            if self._stamp() != self._file_stamp:
                self._reload(now)
        if now >= self._memory.deadline:
            self._memory.save(now, self._group.sequence, self._group.verifier)
        if self._watchdog_at is not None and self._watchdog and now >= self._watchdog_at:
            self._watchdog_at = now + self._watchdog
            realtime.notify("WATCHDOG=1")

    def _enter_group(self, now: float) -> None:
        """Open the sockets and listen; tried again while the interface or our own address is missing."""
        self._retry_at = now + _RETRY
        config = self._config
        try:
            link = self._kernel.link(config.interface)
            if link is None or not link.up:
                self._waiting(f"{config.interface} {'does not exist' if link is None else 'is down'}")
                return
            self._wire = Wire(link.name, link.index, self._group.source, config.vrid)
            self._ownership = Ownership(self._kernel, config, link)
            # Left behind by a process that was killed.
            self._ownership.release()
            # Before the first claim only: later on, whoever has the address is a router of the group.
            self._detector = Detector(link.name, link.mac, self._group.addresses)
            self._detector.ask()
        except (OSError, Unavailable) as error:
            why = error.message if isinstance(error, Unavailable) else error.strerror
            self._leave(self._machine.reason)
            self._waiting(f"{config.interface} with {config.source} cannot be used ({why})")
            return
        self._link_index = link.index
        self._retry_at = None
        self._do(now, self._machine.startup(now))

    def _waiting(self, what: str) -> None:
        """Say once what keeps us from entering the group."""
        if self._machine.reason != f"waiting: {what}":
            self._machine.reason = f"waiting: {what}"
            self._note(self._machine.reason)

    def _give_up(self, now: float, reason: str) -> None:
        self._do(now, self._machine.link_down(reason))
        self._leave(reason)
        self._retry_at = now + _RETRY

    def _leave(self, reason: str) -> None:
        if self._ownership is not None:
            self._ownership.close()
        if self._wire is not None:
            self._wire.close()
        self._stop_detecting()
        self._wire, self._ownership = None, None
        self._machine.reason = reason

    def _do(self, now: float, actions: list[Action]) -> None:
        before = self._events[-1] if self._events else ""
        for action in actions:
            if isinstance(action, Send):
                self._send(action)
            elif self._ownership is None:
                continue
            elif isinstance(action, Prepare):
                if not self._drain.prepare(now, self._config.interface, action.source):
                    self._do(now, self._machine.prepared(now))
                    return
            elif isinstance(action, Claim):
                try:
                    self._stop_detecting()
                    self._drain.stop_serving()
                    self._ownership.claim(now)
                    self._machine.postpone(monotonic() - now)
                except Unavailable as error:
                    self._give_up(now, f"the address cannot be put on: {error.message}")
                    return
            elif isinstance(action, Announce):
                self._ownership.announce(now)
            elif isinstance(action, Release):
                if action.drain:
                    self._drain.serve(now, self._config.interface)
                else:
                    self._drain.stop_forwarding()
                self._ownership.release()
        sentence = f"{self._machine.state.value}: {self._machine.reason}"
        if not before.endswith(sentence):
            self._note(sentence)
            self._counters.since = now
        if self._mover is not None and not self._machine.handing_over:
            moved = self._machine.state is not State.ACTIVE
            self._mover.reply(VipReply(ok=moved, message=self._machine.reason, status=self._document(now)))
            self._mover = None

    def _send(self, action: Send) -> None:
        if self._wire is None:
            return
        advert, trailer = self._group.advert(action.priority, action.offer)
        if trailer:
            self._memory.note(self._group.sequence)
        everybody = sorted(self._group.peers) or [self._wire.group]
        receivers = everybody if action.to is None else [action.to]
        for receiver in receivers:
            try:
                self._wire.send(codec.encode(advert, self._group.source, receiver, trailer), receiver)
                self._counters.sent += 1
            except OSError:
                self._counters.send_errors += 1

    def _reload(self, now: float) -> None:
        self._file_stamp = self._stamp()
        self._warnings = []
        try:
            config = vipfile.load(self._path)
        except KubefortError as error:
            self._warnings = [f"still with the former settings: {error.message}"]
            log(4, self._warnings[0])
            return
        old, self._config = self._config, config
        if any(getattr(old, name) != getattr(config, name) for name in IDENTITY):
            if self._machine.state is State.ACTIVE:
                self._send(Send(0))
            self._do(now, self._machine.link_down("settings changed: leaving the group to enter it anew"))
            self._leave("settings changed")
            self._retry_at = now
            self._drain.clean()
            self._drain = Drain(self._kernel, config)
        self._group.configure(config)
        self._do(now, self._machine.reconfigure(now, settings(config)))
        if config.health != old.health:
            self._fitness.configure(config.health, now)
            self._do(now, self._machine.health(now, self._fitness.healthy))
        log(6, "settings read again")

    def _check_health(self, now: float, ready: set[int]) -> None:
        sentence = self._fitness.step(now, self._fitness.fileno() in ready)
        if sentence:
            self._note(sentence)
            self._do(now, self._machine.health(now, self._fitness.healthy))

    def _command(self, client: Client, request: VipRequest) -> VipReply | None:
        now = monotonic()
        machine, config = self._machine, self._config
        hold = config.hold_s if request.hold_s is None else request.hold_s
        if request.command == "status":
            return VipReply(ok=True, status=self._document(now))
        if request.command == "take":
            if self._wire is None:
                return VipReply(ok=False, message=f"cannot take over: {machine.reason}", status=self._document(now))
            self._do(now, machine.take(now, hold))
            return VipReply(ok=True, message="took over", status=self._document(now))
        if machine.state is not State.ACTIVE:
            return VipReply(ok=False, message="this host does not hold the address", status=self._document(now))
        if request.command == "release":
            self._do(now, machine.release(now, hold))
            return VipReply(ok=True, message="released", status=self._document(now))
        if self._mover is not None:
            return VipReply(ok=False, message="a move is under way")
        to = codec.pack(request.to) if request.to else None
        if to is not None and len(to) != len(self._group.source):
            return VipReply(ok=False, message=f"{request.to} is of another family than {config.source}")
        self._mover = client
        self._do(now, machine.move(now, to))
        return None

    def _document(self, now: float) -> VipStatus:
        return document(
            now,
            self._config,
            self._machine,
            self._group,
            self._counters,
            holder=self._ownership is not None and self._ownership.held,
            fitness=self._fitness,
            drain=self._drain,
            refused=self._refused,
            warnings=self._warnings,
            events=self._events,
        )

    def _note(self, sentence: str) -> None:
        self._events.append(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {sentence}")
        log(6, sentence)
        realtime.notify(f"STATUS={sentence}")

    def _stamp(self) -> tuple[int, int]:
        try:
            found = os.stat(self._path)
        except OSError:
            return (0, 0)
        return (found.st_mtime_ns, found.st_ino)
