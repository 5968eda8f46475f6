"""A reconciler over a desired state that tests change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec
from kubefort.errors import KubefortError
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Node, NodeSpec
from kubefort.model.status import Check
from kubefort_agent.host import Host
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.reconcile.ledger import Ledger
from kubefort_agent.reconcile.loop import Reconciler
from kubefort_agent.reconcile.probes import Probe
from kubefort_agent.reconcile.report import Report
from kubefort_agent.reconcile.state import SpecFile
from kubefort_agent.resources import File, Resource
from kubefort_agent.resources.undo import Undo

SPEC = NodeSpec(1, Cluster("v1.36.2"), Node("n1", "192.0.2.1", "worker"), "prepared")


@dataclass(frozen=True)
class Broken:
    every: ClassVar[float] = 0.0
    key: str = "broken"

    async def diff(self, host: Host) -> tuple[str, ...]:
        return ("broken: is broken",)

    async def apply(self, host: Host) -> None:
        raise KubefortError("it cannot be mended")

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return ()


class Wanted:
    """A desired state that tests change."""

    def __init__(self, *resources: Resource) -> None:
        self.list: tuple[Resource, ...] = resources

    def resources(self, spec: NodeSpec, facts: HostFacts) -> tuple[Resource, ...]:
        return self.list

    def probes(self, spec: NodeSpec) -> Sequence[Probe]:
        return ()


class Life:
    """A reconciler that can be killed and started again."""

    def __init__(self, host: Host, wanted: Wanted) -> None:
        self.host, self.wanted = host, wanted
        self.checks: tuple[Check, ...] = ()
        self.checked = 0
        self.start()

    def start(self) -> None:
        self.specs = SpecFile(self.host.path("/var/lib/kubefort/spec.json"))
        self.ledger = Ledger(self.host.path("/var/lib/kubefort/owned.json"))
        self.report = Report("n1", self.host.root)
        self.reconciler = Reconciler(self.host, self.specs, self.ledger, self.wanted, self.preflight, self.report)

    async def preflight(self, host: Host, spec: NodeSpec) -> tuple[Check, ...]:
        self.checked += 1
        return self.checks

    async def cycle(self, spec: NodeSpec | None = None) -> bool:
        if spec is not None:
            self.reconciler.accept(spec, "n1")
        return await self.reconciler.cycle()

    def events(self) -> list[str]:
        return [event.reason for event in self.report.events]


class Eager(File):
    every: ClassVar[float] = 0.0


def file(name: str, text: str = "ours") -> File:
    return Eager(Path(f"/etc/{name}"), text.encode())


def stage(**changes: object) -> NodeSpec:
    return msgspec.structs.replace(SPEC, **changes)
