"""Are the components of the host well? Looked at again and again: soon while one is not, every ten seconds when all
are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol

from kubefort.errors import KubefortError
from kubefort.model.spec import NodeSpec
from kubefort.waiting import backoff, within

from kubefort_agent.reconcile.converge import Outcome
from kubefort_agent.reconcile.probes import Probe, Prober
from kubefort_agent.reconcile.report import Report

WELL = 10.0


class HasProbes(Protocol):
    def probes(self, spec: NodeSpec) -> Sequence[Probe]: ...


class Health:
    """Looks when asked to by the reconciler, and between that by itself."""

    def __init__(self, report: Report, prober: Prober) -> None:
        self._report, self._prober = report, prober
        self._spec: NodeSpec | None = None
        self._probes: Sequence[Probe] = ()
        self._wake = asyncio.Event()

    async def expect(self, spec: NodeSpec, desired: HasProbes, outcome: Outcome) -> None:
        """After a pass: where it changed anything, no answer from before it counts any more."""
        if spec is self._spec and not (outcome.applied or outcome.removed):
            return
        self._spec = spec
        with contextlib.suppress(KubefortError):
            self._probes = tuple(desired.probes(spec))
        await self._look()
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        pauses = backoff(0.5, 5.0, 1.1)
        while True:
            if self._wake.is_set():
                pauses = backoff(0.5, 5.0, 1.1)
            self._wake.clear()
            well = await self._look()
            with contextlib.suppress(TimeoutError):
                await within(WELL if well else next(pauses), self._wake.wait())

    async def _look(self) -> bool:
        spec = self._spec
        conditions = await self._prober.look(self._probes)
        if spec is self._spec:
            self._report.conditions(conditions)
        return all(condition.ok for condition in conditions)

    def close(self) -> None:
        self._prober.close()
