"""Whether this host is fit to hold the address: the health check of the settings, or always when there is none."""

from __future__ import annotations

import ssl

from kubefort.vipfile import HealthStatus, VipHealth

from kubefort_agent.vip.health import Probe, Verdict
from kubefort_agent.vip.realtime import log


class Fitness:
    """`healthy` is the verdict; `deadline`, `fileno` and `wants_write` are the probe's."""

    def __init__(self) -> None:
        self._probe: Probe | None = None
        self._verdict: Verdict | None = None
        self.warning = ""

    @property
    def healthy(self) -> bool:
        return self._verdict is None or self._verdict.healthy

    @property
    def deadline(self) -> float | None:
        return self._probe.deadline if self._probe else None

    @property
    def wants_write(self) -> bool:
        return self._probe is not None and self._probe.wants_write

    def fileno(self) -> int:
        return self._probe.fileno() if self._probe else -1

    def configure(self, settings: VipHealth | None, now: float) -> None:
        """Check as the settings say from now on; the verdict so far stays until there is another."""
        if self._probe is not None:
            self._probe.close()
        self._probe, self.warning = None, ""
        if settings is None:
            self._verdict = None
            return
        previous, self._verdict = self._verdict, Verdict(settings.rise, settings.fall)
        if previous is not None:
            self._verdict.healthy, self._verdict.last = previous.healthy, previous.last
        try:
            self._probe = Probe(settings, now)
        except (OSError, ssl.SSLError, ValueError) as error:
            self.warning = f"no health check possible: {error}"
            log(4, self.warning)
            self._verdict.healthy = False

    def step(self, now: float, ready: bool) -> str:
        """Go on with the check; a sentence when the verdict has changed."""
        if self._probe is None or self._verdict is None:
            return ""
        before = self._verdict.healthy
        result = self._probe.step(now, ready)
        if result is None or self._verdict.add(result) == before:
            return ""
        return f"health: {'bad' if before else 'good'} ({result.reason})"

    def status(self) -> HealthStatus:
        return self._verdict.status() if self._verdict else HealthStatus(healthy=True, reason="not checked")
