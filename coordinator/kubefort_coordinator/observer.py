"""What agents said last, and whether they are connected; in memory only, because every agent says it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kubefort.model.spec import NodeSpec
from kubefort.model.status import NodeStatus

from kubefort_coordinator.signals import Changed


@dataclass
class Sight:
    """The last that was heard of a host; `seen` in seconds since 1970."""

    connections: int = 0
    seen: float = 0.0
    status: NodeStatus | None = None


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

    def connected(self, host: str) -> None:
        sight = self.sight(host)
        sight.connections += 1
        sight.seen = self._clock()
        self._changed.notify()

    def disconnected(self, host: str) -> None:
        self.sight(host).connections -= 1
        self._changed.notify()

    def status(self, host: str, status: NodeStatus) -> None:
        sight = self.sight(host)
        sight.status, sight.seen = status, self._clock()
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
