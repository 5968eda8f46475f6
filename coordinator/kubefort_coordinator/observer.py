"""What agents said last, and whether they are connected; in memory only, because every agent says it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from kubefort.model.spec import NodeSpec
from kubefort.model.status import NodeStatus

from kubefort_coordinator.signals import Changed


@dataclass
class Sight:
    """The last that was heard of a host; `seen` in seconds since 1970."""

    connections: int = 0
    seen: float = 0.0
    status: NodeStatus | None = None


def _lasting(status: NodeStatus) -> NodeStatus:
    """The status without what is another at each look."""
    return msgspec.structs.replace(status, facts=msgspec.structs.replace(status.facts, time=0.0), vip={})


class Observer:
    """Keeps a Sight per host and tells `changed` of every news."""

    def __init__(self, changed: Changed, clock: Callable[[], float] = time.time) -> None:
        self._changed = changed
        self._clock = clock
        self._since = clock()
        self._hosts: dict[str, Sight] = {}

    def sight(self, host: str) -> Sight:
        return self._hosts.setdefault(host, Sight())

    @property
    def present(self) -> int:
        """How many hosts are connected."""
        return sum(sight.connections > 0 for sight in self._hosts.values())

    def silence(self, host: str) -> float:
        """Seconds since the last sign of life, or since this observer looks; 0 while the host is connected."""
        sight = self.sight(host)
        return 0.0 if sight.connections else self._clock() - max(sight.seen, self._since)

    def connected(self, host: str) -> Sight:
        """Count a connection; what is returned is for `disconnected`."""
        sight = self.sight(host)
        sight.connections += 1
        sight.seen = self._clock()
        self._changed.notify()
        return sight

    def disconnected(self, host: str, counted: Sight | None = None) -> None:
        """Where it was `counted`: a host that was forgotten and came back is not charged for its earlier connection."""
        (counted or self.sight(host)).connections -= 1
        self._changed.notify()

    def status(self, host: str, status: NodeStatus) -> None:
        """Take a status; only one that says something else wakes those who wait, for most say the same again."""
        sight = self.sight(host)
        news = sight.status is None or _lasting(status) != _lasting(sight.status)
        sight.status, sight.seen = status, self._clock()
        if news:
            self._changed.notify()

    def forget(self, host: str) -> None:
        self._hosts.pop(host, None)
        self._changed.notify()

    def unsettled(self, spec: NodeSpec) -> str:
        """ "" when the host is as `spec` wants it, else what it is waited for, without "waiting for"."""
        name, sight = spec.node.name, self.sight(spec.node.name)
        status = sight.status
        if status is None:
            return f"{name} to report"
        if status.observed_generation < spec.generation:
            return f"{name} to take up generation {spec.generation}" + ("" if sight.connections else " (not connected)")
        if status.converged:
            return ""
        bad = [f"{each.name}: {each.message}" for each in status.conditions if not each.ok]
        return f"{name}: {'; '.join((*bad, *status.pending)[:3]) or 'to converge'}"
