"""Operations as kfctl sees them, what begins them, and the overview that `kfctl status` prints."""

from __future__ import annotations

from typing import Literal

from kubefort.document import Document
from kubefort.model.cluster import Cluster, HostEntry, RunMode
from kubefort.model.spec import Stage
from kubefort.model.status import NodeStatus

PhaseStatus = Literal["pending", "running", "done", "failed"]
OperationStatus = Literal["running", "succeeded", "failed", "aborted", "paused"]


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


class DrainSettings(Document, frozen=True):
    """How pods leave a node.

    deadline_s    how long they have; then `late` says what happens: the operation stops, the rest is deleted whatever
                  a PodDisruptionBudget says, or the host's turn comes with them on it
    local_data    pods with an emptyDir volume may go, and their data with them
    unmanaged     pods that nobody will start again may go
    """

    deadline_s: float = 600.0
    late: Literal["stop", "delete", "ignore"] = "stop"
    local_data: bool = False
    unmanaged: bool = False


class UpgradeArguments(Document, frozen=True):
    """The cluster goes to another version of Kubernetes.

    hosts             all of the cluster's, workers among them in the order of their turn
    max_unavailable   how many workers at once: "2", "25%"
    """

    version: str
    hosts: tuple[str, ...]
    max_unavailable: str = "1"
    drain: DrainSettings = DrainSettings()


class NodeArguments(Document, frozen=True):
    """Cordon, uncordon or drain a host's node."""

    host: str
    drain: DrainSettings = DrainSettings()


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
    """An operation and its phases in order. `error` and `hint` where it failed; `warnings` before it begins."""

    id: str
    kind: str
    title: str
    status: OperationStatus
    phases: tuple[PhaseState, ...]
    created: float = 0.0
    ended: float = 0.0
    error: str = ""
    hint: str = ""
    warnings: tuple[str, ...] = ()


class HostOverview(Document, frozen=True):
    """A host as the coordinator knows it; `seen` is the time of the last sign of life, seconds since 1970.

    run_modes   of the components that it runs, by name
    kubernetes_version   that it has, or leaves; upgrading_to: "" or the one it is on its way to
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
    kubernetes_version: str = ""
    upgrading_to: str = ""


class Overview(Document, frozen=True):
    """What the coordinator knows. `time` by its clock."""

    version: str
    time: float
    cluster: Cluster | None = None
    hosts: tuple[HostOverview, ...] = ()
    operations: tuple[OperationState, ...] = ()
