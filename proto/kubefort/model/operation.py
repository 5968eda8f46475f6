"""Operations as kfctl sees them, what begins them, and the overview that `kfctl status` prints."""

from __future__ import annotations

from typing import Literal

from kubefort.document import Document
from kubefort.model.cluster import Cluster, HostEntry, RunMode
from kubefort.model.spec import Stage
from kubefort.model.status import NodeStatus

PhaseStatus = Literal["pending", "running", "done", "failed"]
OperationStatus = Literal["running", "succeeded", "failed", "aborted"]


class BootstrapArguments(Document, frozen=True):
    """`kfctl init`: `hosts` are all that cluster.yaml names, each is waited for; `first` is the first one's name;
    `manifests` are the contents (YAML) of podNetworkManifests, in order."""

    cluster: Cluster
    first: str
    hosts: tuple[HostEntry, ...] = ()
    ignored_checks: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()


class JoinArguments(Document, frozen=True):
    """A host becomes a member; begun by its enrolment."""

    host: str
    ignored_checks: tuple[str, ...] = ()


class ResetArguments(Document, frozen=True):
    """A host leaves. `force`: also where it does not answer, or where quorum would be lost."""

    host: str
    force: bool = False


class ConvertArguments(Document, frozen=True):
    """Components change their run mode on `hosts`, one after the other; `whole`: these are all control-plane hosts, and
    further ones shall do the same."""

    components: tuple[str, ...]
    to: RunMode
    hosts: tuple[str, ...]
    whole: bool = False


class VipMoveArguments(Document, frozen=True):
    """The virtual IP goes to `host`; "": to whichever host is fit and next."""

    host: str = ""


class VipRotateKeyArguments(Document, frozen=True):
    """The virtual IP's adverts get a new key."""


class PhaseState(Document, frozen=True):
    """A phase: times in seconds since 1970 (0: not yet); `waiting_for` one sentence while it waits."""

    name: str
    title: str
    status: PhaseStatus = "pending"
    started: float = 0.0
    ended: float = 0.0
    waiting_for: str = ""
    host: str = ""


class OperationState(Document, frozen=True):
    """An operation and its phases in order. `error` and `hint` where it failed."""

    id: str
    kind: str
    title: str
    status: OperationStatus
    phases: tuple[PhaseState, ...]
    created: float = 0.0
    ended: float = 0.0
    error: str = ""
    hint: str = ""


class HostOverview(Document, frozen=True):
    """A host as the coordinator knows it; `seen` is the time of the last sign of life, seconds since 1970.

    run_modes   of the components that it runs, by name
    """

    name: str
    role: str
    address: str
    stage: Stage
    generation: int
    connected: bool
    seen: float = 0.0
    status: NodeStatus | None = None
    run_modes: dict[str, RunMode] = {}


class Overview(Document, frozen=True):
    """What the coordinator knows. `time` by its clock."""

    version: str
    time: float
    cluster: Cluster | None = None
    hosts: tuple[HostOverview, ...] = ()
    operations: tuple[OperationState, ...] = ()
