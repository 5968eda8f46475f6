"""Looks at kubefort-vip again and again: its status goes into ours, and every change of the holder is an event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from kubefort.model.spec import NodeSpec

from kubefort_agent.host import vip
from kubefort_agent.reconcile.report import Report

EVERY = 2.0
EVERY_WHILE_MOVING = 0.5

_STATES = ("initialize", "backup", "active")
# What the coordinator waits for, and operators look at; counters may be as old as the status.
_TELLING = (
    "state",
    "holder",
    "reason",
    "priority",
    "effective_priority",
    "auth_mode",
    "auth_send_key_id",
    "auth_key_ids",
    "draining",
    "warnings",
)


class VipWatch:
    """`ask` gives kubefort-vip's status document, {} where it does not answer."""

    def __init__(
        self,
        report: Report,
        spec: Callable[[], NodeSpec | None],
        ask: Callable[[], Awaitable[dict[str, object]]] = vip.status,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._report, self._spec, self._ask = report, spec, ask
        self._began = clock()
        self._told: tuple[object, ...] = ()
        self._events: tuple[str, ...] | None = None
        self._held = False

    async def run(self) -> None:
        """For ever."""
        while True:
            spec = self._spec()
            await self.look(spec)
            await asyncio.sleep(EVERY_WHILE_MOVING if spec is not None and spec.vip_holder else EVERY)

    async def look(self, spec: NodeSpec | None) -> None:
        """Once."""
        if spec is None or spec.cluster.vip is None or not spec.is_control_plane or not spec.reaches("node"):
            self._report.vip({})
            self._told, self._events = (), None
            return
        status = await self._ask()
        self._report.vip(status)
        self._tell_events(status, spec.cluster.vip.address.partition("/")[0])
        telling = tuple(status.get(name) for name in _TELLING)
        if telling != self._told:
            self._told = telling
            self._report.changed.set()

    def _tell_events(self, status: Mapping[str, object], address: str) -> None:
        found = status.get("events")
        if not isinstance(found, list):
            return
        events = tuple(str(event) for event in found)
        if self._events is None:
            # What is from before our time was told by the agent before us.
            old = tuple(event for event in events if _time(event) < self._began - 1)
            states = [state for state, _ in map(_parts, old) if state in _STATES]
            self._held = states[-1] == "active" if states else bool(status.get("holder")) and not events[len(old) :]
            self._events = old
        for state, reason in map(_parts, news(self._events, events)):
            if state == "active" and not self._held:
                self._report.event("VipTaken", f"took the virtual IP {address}: {reason}")
            elif state in ("backup", "initialize") and self._held:
                self._report.event("VipReleased", f"gave up the virtual IP {address}: {reason}")
            elif state == "health":
                kind: Literal["Normal", "Warning"] = "Warning" if reason.startswith("bad") else "Normal"
                self._report.event("VipHealth", f"fit to hold the virtual IP? {reason}", kind=kind)
            if state in _STATES:
                self._held = state == "active"
        self._events = events


def _parts(event: str) -> tuple[str, str]:
    """State (or health) and reason of an event like "2026-01-31T12:00:00+0000 active: no Active heard"."""
    state, _, reason = event.partition(" ")[2].partition(": ")
    return state, reason


def news(before: Sequence[str], after: Sequence[str]) -> Sequence[str]:
    """What `after` has behind the end of `before`; both are the newest of one list, or of two processes' lists."""
    for size in range(min(len(before), len(after)), 0, -1):
        if list(before[-size:]) == list(after[:size]):
            return after[size:]
    return after


def _time(event: str) -> float:
    """Seconds since 1970 of an event's first word, 0 where it is no time."""
    try:
        return datetime.strptime(event.partition(" ")[0], "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return 0.0
