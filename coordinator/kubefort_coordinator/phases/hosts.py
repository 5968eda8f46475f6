"""Phases that wait for hosts, check them and prepare them: many at once, because nothing is shared yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import msgspec
from kubefort.errors import KubefortError
from kubefort.model.status import Check

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait, wait_for_all
from kubefort_coordinator.specs import reaches


@dataclass(frozen=True)
class WaitForHosts(Phase):
    """Until every expected host has enrolled."""

    hosts: tuple[str, ...] = ()
    name: ClassVar[str] = "wait-for-hosts"
    deadline: ClassVar[float] = 3600.0

    @property
    def title(self) -> str:
        return f"Wait for {len(self.hosts)} host(s) to join"

    async def run(self, coordinator: Coordinator) -> Outcome:
        missing = [name for name in self.hosts if coordinator.records.host(name) is None]
        return Wait(f"{', '.join(missing)} to join: run `kfctl join` there") if missing else DONE


@dataclass(frozen=True)
class Preflight(Phase):
    """Every host's checks in one report, before anything is changed anywhere."""

    hosts: tuple[str, ...] = ()
    name: ClassVar[str] = "preflight"
    deadline: ClassVar[float] = 300.0

    @property
    def title(self) -> str:
        return f"Check {_names(self.hosts)}"

    async def run(self, coordinator: Coordinator) -> Outcome:
        unchanged = [name for name in self.hosts if not reaches(coordinator.records.need_host(name), "prepared")]
        waits = [f"{name} to report its checks" for name in unchanged if _checks(coordinator, name) is None]
        if waits:
            return wait_for_all(waits)
        found = [(name, check) for name in unchanged for check in _checks(coordinator, name) or ()]
        report = [f"{name}: {_sentence(check)}" for name, check in found if check.severity == "error"]
        if report:
            raise KubefortError(
                "\n".join((f"{len(report)} check(s) failed:", *report)),
                "mend these, or ignore them with --ignore-preflight-errors=NAME,...; then run the command again",
            )
        for name, check in found:
            coordinator.event(name, "PreflightWarning", _sentence(check), warning=True)
        return DONE


def _checks(coordinator: Coordinator, name: str) -> tuple[Check, ...] | None:
    """What a host's preflight found for its newest spec, ignored errors as warnings; None while it has not run."""
    spec, status = coordinator.spec(name), coordinator.observer.sight(name).status
    if status is None or status.observed_generation < spec.generation or status.preflight is None:
        return None
    ignored = {each.lower() for each in spec.ignored_checks}
    return tuple(
        msgspec.structs.replace(check, severity="warning") if {check.name.lower(), "all"} & ignored else check
        for check in status.preflight
    )


def _sentence(check: Check) -> str:
    return f"[{check.name}] {check.message}" + (f"; {check.hint}" if check.hint else "")


@dataclass(frozen=True)
class PrepareHosts(Phase):
    """Swap, modules, sysctls, runtime, binaries and images on all hosts at once; done when `needed` (all) are."""

    hosts: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    name: ClassVar[str] = "prepare-hosts"
    deadline: ClassVar[float] = 1800.0

    @property
    def title(self) -> str:
        return f"Prepare {_names(self.hosts)}" + (f", first {_names(self.needed)}" if self.needed else "")

    async def run(self, coordinator: Coordinator) -> Outcome:
        version = coordinator.records.need_cluster().cluster.kubernetes_version
        coordinator.bundles.get(version)
        with coordinator.records.transaction():
            for name in self.hosts:
                coordinator.raise_stage(name, "prepared")
        return wait_for_all([coordinator.unsettled(name) for name in self.needed or self.hosts])


def _names(hosts: tuple[str, ...]) -> str:
    return ", ".join(hosts) if len(hosts) <= 3 else f"{len(hosts)} hosts"
