"""NodeStatus: what an agent says of its host; events; and what preflight found."""

from __future__ import annotations

from typing import Literal

from kubefort.document import Document


class Facts(Document, frozen=True):
    """What a host is. `time` in seconds since 1970 by its own clock; memory in bytes."""

    hostname: str
    machine_id: str
    address: str
    addresses: tuple[str, ...] = ()
    product_uuid: str = ""
    os: str = ""
    kernel: str = ""
    architecture: str = ""
    cpus: int = 0
    memory: int = 0
    cgroup_version: int = 0
    time: float = 0.0


class Check(Document, frozen=True):
    """A preflight check that did not pass: kubeadm's name, what was found and needed, and the command that mends it."""

    name: str
    severity: Literal["error", "warning"]
    message: str
    hint: str = ""


class Condition(Document, frozen=True):
    """One thing that is or is not as it should be, in words. Names: a component's, or Converged, Preflight, ..."""

    name: str
    ok: bool
    message: str = ""


class NodeStatus(Document, frozen=True):
    """State of a host for generation `observed_generation`.

    converged   everything the spec asks for was observed to be so
    pending     diffs (lines a person can read) of what is not, or could not be, put right
    preflight   at stage enrolled: the checks that did not pass; None: not yet run for this generation
    """

    observed_generation: int
    converged: bool
    facts: Facts
    conditions: tuple[Condition, ...] = ()
    pending: tuple[str, ...] = ()
    preflight: tuple[Check, ...] | None = None
    version: str = ""
    vip: dict[str, object] = {}

    def condition(self, name: str) -> Condition | None:
        """The condition of that name."""
        return next((c for c in self.conditions if c.name == name), None)

    @property
    def healthy(self) -> bool:
        return self.converged and all(c.ok for c in self.conditions)


class Event(Document, frozen=True):
    """Something happened. `time` in seconds since 1970; reason is one CamelCase word, like Kubernetes' events."""

    time: float
    host: str
    reason: str
    message: str
    kind: Literal["Normal", "Warning"] = "Normal"
    diff: tuple[str, ...] = ()
