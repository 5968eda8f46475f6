"""What the reconciler has to say: the status, always the newest, and events, in order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Literal

from kubefort import __version__, log
from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check, Condition, Event, NodeStatus

from kubefort_agent.host import facts
from kubefort_agent.reconcile.converge import Outcome

MOST_EVENTS = 500
MOST_LINES = 200

_log = log.get("report")


class Report:
    """`changed` is set whenever there is something new to send. Events wait here while nobody listens."""

    def __init__(self, host_name: str, root: Path = Path("/")) -> None:
        self.host_name = host_name
        self.changed = asyncio.Event()
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._root = root
        self._spec: NodeSpec | None = None
        self._outcome = Outcome()
        self._checks: tuple[Check, ...] | None = None
        self._conditions: tuple[Condition, ...] = ()
        self._vip: dict[str, object] = {}
        self._told = ""
        self._doing: dict[str, None] = {}
        self._looking = Outcome()

    def begin(self, spec: NodeSpec) -> None:
        """A pass for a spec that was not looked at before: nothing that was said for another one counts any more."""
        if self._spec is not None and self._spec.generation == spec.generation:
            return
        self._spec, self._checks = spec, None
        self._outcome = self._looking = Outcome(pending=[f"looking what differs from generation {spec.generation}"])
        self.changed.set()

    @contextlib.asynccontextmanager
    async def doing(self, what: str, soon: float = 2.0) -> AsyncIterator[None]:
        """Something that is being done; told where it takes longer than `soon` seconds."""
        timer = asyncio.get_running_loop().call_later(soon, self._tell_doing, what)
        try:
            yield
        finally:
            timer.cancel()
            if what in self._doing:
                del self._doing[what]
                self.changed.set()

    def _tell_doing(self, what: str) -> None:
        self._doing[what] = None
        self.changed.set()

    def tell(self, spec: NodeSpec, outcome: Outcome, checks: tuple[Check, ...] | None) -> None:
        """The outcome of a pass for a spec."""
        old = self._summary()
        self._spec, self._outcome, self._checks = spec, outcome, checks
        if self._summary() != old:
            self.changed.set()
        if outcome.error and outcome.error != self._told:
            self.event("Failed", outcome.error[:2000], kind="Warning")
        self._told = outcome.error

    def conditions(self, conditions: Sequence[Condition]) -> None:
        """What the probes found."""
        if tuple(conditions) != self._conditions:
            self._conditions = tuple(conditions)
            self.changed.set()

    def vip(self, status: dict[str, object]) -> None:
        """What kubefort-vip says of itself."""
        self._vip = status

    def applied(self, key: str, diff: tuple[str, ...], *, drift: bool) -> None:
        reason = "DriftRepaired" if drift else "Applied"
        self.event(
            reason, f"{key}: {'put back' if drift else 'applied'}", diff=diff, kind="Warning" if drift else "Normal"
        )

    def event(
        self, reason: str, message: str, *, diff: tuple[str, ...] = (), kind: Literal["Normal", "Warning"] = "Normal"
    ) -> None:
        _log.info(reason, message=message, diff=list(diff[:10]))
        self.events.append(Event(time.time(), self.host_name, reason, message, kind, diff[:MOST_LINES]))
        self.changed.set()

    @property
    def converged(self) -> bool:
        return self._spec is not None and self._outcome.in_sync and not self._doing

    def status(self) -> NodeStatus:
        """The status as of now."""
        spec, outcome = self._spec, self._outcome
        left = () if self._doing and outcome is self._looking else outcome.pending
        pending = (*self._doing, *left, *((outcome.error,) if outcome.error else ()))
        return NodeStatus(
            observed_generation=spec.generation if spec else 0,
            converged=self.converged,
            facts=facts.report(self._root, spec.node.address if spec else ""),
            conditions=self._conditions,
            pending=pending[:MOST_LINES],
            preflight=self._checks,
            version=__version__,
            vip=self._vip,
        )

    def sentence(self) -> str:
        """For people who look at the service."""
        if self._spec is None:
            return "waiting for a first spec"
        what = f"generation {self._spec.generation}, stage {self._spec.stage}"
        if self._doing:
            return f"{what}: {', '.join(self._doing)}"[:200]
        if not self._outcome.in_sync:
            return f"{what}: {(self._outcome.error or self._outcome.pending[0]).splitlines()[0]}"[:200]
        bad = [condition.name for condition in self._conditions if not condition.ok]
        return f"{what}: not well: {', '.join(bad)}" if bad else f"{what}: in sync"

    def _summary(self) -> object:
        generation = self._spec.generation if self._spec else 0
        return generation, self._outcome.pending, self._outcome.error, self._checks, self.converged
