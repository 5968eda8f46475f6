"""The loop: spec in, host made to match, status out. Level-triggered: it needs no history to do the right thing."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from kubefort import log
from kubefort.errors import KubefortError
from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check
from kubefort.waiting import backoff, within

from kubefort_agent.host import Host, cleanup, facts, memory
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.reconcile.converge import CLUSTER, Outcome, converge, in_words, observe, own, remove_unwanted
from kubefort_agent.reconcile.health import HasProbes, Health
from kubefort_agent.reconcile.ledger import Ledger
from kubefort_agent.reconcile.probes import Prober
from kubefort_agent.reconcile.report import Report
from kubefort_agent.reconcile.state import SpecFile
from kubefort_agent.resources import Resource

TICK = 5.0
"""Seconds between two looks for drift."""

_log = log.get("reconcile")


class Desired(HasProbes, Protocol):
    """The pure core: what a spec asks of a host."""

    def resources(self, spec: NodeSpec, facts: HostFacts) -> tuple[Resource, ...]: ...


Preflight = Callable[[Host, NodeSpec], Awaitable[tuple[Check, ...]]]


class Reconciler:
    """Owns the host. `report` is what it has to say; `accept` gives it a new spec."""

    def __init__(
        self, host: Host, specs: SpecFile, ledger: Ledger, desired: Desired, preflight: Preflight, report: Report
    ) -> None:
        self._host, self._specs, self._ledger = host, specs, ledger
        self._desired, self._preflight, self.report = desired, preflight, report
        self._wake = asyncio.Event()
        self._synced: dict[str, tuple[Resource, float]] = {}
        self._checked: tuple[int, tuple[Check, ...]] | None = None
        self._built: tuple[NodeSpec, tuple[Resource, ...]] | None = None
        self._busy = True
        self.health = Health(report, Prober(host.root))

    def accept(self, spec: NodeSpec, own_name: str) -> None:
        """Take a spec, durably; raises Refused for one that is not for us."""
        if self._specs.accept(spec, own_name, bare=len(self._ledger) == 0):
            _log.info("spec accepted", generation=spec.generation, stage=spec.stage)
            self._wake.set()

    async def run(self) -> None:
        """For ever: a pass, then a pause of TICK, shorter after an error, none after a new spec."""
        pauses = backoff(0.5, TICK)
        while True:
            new = self._wake.is_set()
            self._wake.clear()
            ok = await self.cycle()
            if ok or new:
                pauses = backoff(0.5, TICK)
            with contextlib.suppress(TimeoutError):
                await within(TICK if ok else next(pauses), self._wake.wait())

    async def cycle(self) -> bool:
        """One pass over the spec we have; whether the host matches it."""
        spec = self._specs.spec
        if spec is None:
            return True
        self._host.look_afresh()
        self.report.begin(spec)
        try:
            outcome = await self._pass(spec)
        except (KubefortError, OSError) as error:
            outcome = Outcome(error=in_words(error))
        except Exception as error:  # noqa: BLE001 - reported, it is better than a restart for ever
            _log.error("a fault of kubefort-agent itself", trace=traceback.format_exc())
            outcome = Outcome(error=f"{type(error).__name__}: {error}")
        if not outcome.in_sync:
            self._built = None
        self._rest(outcome)
        await self.health.expect(spec, self._desired, outcome)
        if spec is self._specs.spec:
            self.report.tell(spec, outcome, self._checked[1] if self._checked else None)
        return outcome.in_sync

    def _rest(self, outcome: Outcome) -> None:
        """At the first pass that finds nothing to do after some that did, what work took is given back."""
        idle = outcome.in_sync and not outcome.applied and not outcome.removed
        if idle and self._busy:
            memory.give_back()
        self._busy = not idle

    async def _pass(self, spec: NodeSpec) -> Outcome:
        if spec.paused_until > time.time():
            return await observe(self._host, await self._resources(spec), self._ledger)
        if spec.stage == "absent":
            return await self._leave()
        if spec.stage == "enrolled":
            return await self._check(spec)
        self._checked = None
        resources = await self._resources(spec)
        await own(self._host, resources, self._ledger)
        wanted = {CLUSTER, *(resource.key for resource in resources)}
        removed, stuck = await self._remove(wanted, images=False)
        due = [resource for resource in resources if self._is_due(resource)]
        outcome = await converge(self._host, due, self.report.doing, repair=self._specs.was_reached(spec))
        if outcome.in_sync:
            self._specs.mark_reached(spec)
            more, stuck = await self._remove(wanted, images=True)
            removed += more
            if outcome.applied or removed:
                cleanup.keep_artifacts(self._host, {a.sha256 for r in resources if (a := getattr(r, "artifact", None))})
        outcome.removed, outcome.error = removed, outcome.error or stuck
        self._remember(resources, due, outcome)
        return outcome

    async def _remove(self, wanted: set[str], *, images: bool) -> tuple[list[str], str]:
        """What was removed, and what stood in the way: that hinders nobody from mending the rest."""
        try:
            return await remove_unwanted(self._host, wanted, self._ledger, images=images), ""
        except (KubefortError, OSError) as error:
            return [], f"removing what is not wanted any more: {in_words(error)}"

    async def _resources(self, spec: NodeSpec) -> tuple[Resource, ...]:
        """Built again for a new spec and after an error, for then the host's facts may be others."""
        if self._built is None or self._built[0] is not spec:
            self._built = (spec, self._desired.resources(spec, await facts.gather(self._host.root)))
        return self._built[1]

    def _is_due(self, resource: Resource) -> bool:
        known = self._synced.get(resource.key)
        return known is None or known[0] != resource or time.monotonic() >= known[1]

    def _remember(self, resources: Sequence[Resource], due: Sequence[Resource], outcome: Outcome) -> None:
        """When each is to be looked at again; what is not known to be in sync at the next pass."""
        for key, diff in outcome.applied:
            resource = next(r for r in due if r.key == key)
            known = self._synced.get(key)
            self.report.applied(resource.key, diff, drift=known is not None and known[0] == resource)
        now = time.monotonic()
        if outcome.in_sync:
            keys = {resource.key for resource in resources}
            self._synced = {key: known for key, known in self._synced.items() if key in keys}
            self._synced.update({resource.key: (resource, now + resource.every) for resource in due})
        else:
            # Those before the failed one are fine, but a look costs little and an error is rare.
            self._synced = {key: (known[0], now) for key, known in self._synced.items()}

    async def _leave(self) -> Outcome:
        """Stage absent: nothing of ours stays."""
        self._synced.clear()
        self._checked = None
        self._specs.forget_reached()
        if len(self._ledger) == 0:
            return Outcome()
        await cleanup.stop(self._host)
        removed = await remove_unwanted(self._host, set(), self._ledger, images=True)
        self.report.event("Reset", f"removed {len(removed)} resources", diff=tuple(f"- {key}" for key in removed))
        return Outcome(removed=removed)

    async def _check(self, spec: NodeSpec) -> Outcome:
        """Stage enrolled: preflight, again at every tick while something is wrong, for the operator mends it now."""
        done = self._checked
        if done is None or done[0] != spec.generation or any(check.severity == "error" for check in done[1]):
            self._checked = (spec.generation, await self._preflight(self._host, spec))
        return Outcome()
