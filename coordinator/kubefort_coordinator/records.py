"""What the coordinator knows, as documents: the cluster, hosts, tokens, operators, operations; typed access to them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from kubefort.document import Document, decode, encode
from kubefort.errors import KubefortError, Refused
from kubefort.model.cluster import Cluster, HostEntry, Role, RunMode, Taint
from kubefort.model.operation import OperationState
from kubefort.model.spec import EtcdMembership, NodeSpec, Stage, UpgradeStep, VipAuthMode, VipKey
from kubefort.model.status import Event, Facts

from kubefort_coordinator.store import Store

D = TypeVar("D", bound=Document)


class Settings(Document, frozen=True):
    """Where agents find the coordinator; made by `setup`."""

    address: str


class UpgradeRecord(Document, frozen=True):
    """An upgrade that was begun and has not ended well by now.

    control_planes   in the order of their turn; workers: in batches
    snapshot         file name of the copy of etcd's data that was made before
    """

    old: str
    new: str
    control_planes: tuple[str, ...]
    workers: tuple[tuple[str, ...], ...] = ()
    snapshot: str = ""
    done: bool = False


class Moving(Document, frozen=True):
    """A host on its way to another version.

    done         all of it is there; the old version's artifacts stay until every host is so far, for pods move around
    containers   component → id of its container before the step
    well_since   since when everything on the host has been well after that, seconds since 1970; 0: it is not
    """

    version: str
    step: UpgradeStep = "artifacts"
    done: bool = False
    containers: dict[str, str] = {}
    well_since: float = 0.0


class Cordon(Document, frozen=True):
    """A node that we keep pods from. `before`: it was cordoned already; `keep`: it shall stay so; `since` 1970."""

    since: float
    before: bool = False
    keep: bool = False


class ClusterRecord(Document, frozen=True):
    """The cluster and how far it is. `expected`: the hosts that its bootstrap waits for, `first` among them.

    vip_rotated   when the virtual IP's key was last changed, seconds since 1970; the other vip_* as in NodeSpec
    """

    cluster: Cluster
    first: str
    expected: tuple[HostEntry, ...] = ()
    ignored_checks: tuple[str, ...] = ()
    bootstrapped: bool = False
    vip_keys: tuple[VipKey, ...] = ()
    vip_send_key: int = 0
    vip_auth: VipAuthMode = "enforce"
    vip_holder: str = ""
    vip_rotated: float = 0.0
    upgrade: UpgradeRecord | None = None

    def entry(self, name: str) -> HostEntry | None:
        """What the operator said of a host."""
        return next((entry for entry in self.expected if entry.name == name), None)


class HostRecord(Document, frozen=True):
    """A host. `identities`: pins of the public keys it may show; `pod_index` chooses its part of the pod subnets.

    run_modes   component's name → run mode on this host, where it is another than the cluster's
    version   of Kubernetes, "" for the cluster's
    """

    name: str
    role: Role
    address: str
    facts: Facts
    pod_index: int
    stage: Stage = "enrolled"
    identities: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()
    etcd: EtcdMembership | None = None
    ignored_checks: tuple[str, ...] = ()
    enrolled: float = 0.0
    joined: bool = False
    run_modes: dict[str, RunMode] = {}
    version: str = ""
    moving: Moving | None = None
    cordon: Cordon | None = None


class OperatorRecord(Document, frozen=True):
    """An operator and the pins of the public keys he may show."""

    name: str
    identities: tuple[str, ...]


class TokenRecord(Document, frozen=True):
    """A token: the public half, a hash of the secret half. `expires` in seconds since 1970."""

    id: str
    secret_sha256: str
    role: Role
    uses_left: int
    expires: float


class OperationRecord(Document, frozen=True):
    """An operation as it is journalled. `hosts`: the names of those it changes; `pausing`: it stops after its phase."""

    state: OperationState
    arguments: dict[str, object]
    hosts: tuple[str, ...] = ()
    pausing: bool = False


class Records:
    """Typed access to the store. Calls `on_change` after every write."""

    def __init__(self, store: Store, on_change: Callable[[], None] = lambda: None) -> None:
        self.store = store
        self.on_change = on_change

    def transaction(self) -> AbstractContextManager[None]:
        return self.store.transaction()

    def _get(self, kind: str, name: str, type_: type[D]) -> D | None:
        body = self.store.get(kind, name)
        return None if body is None else decode(body, type_, f"record {kind}/{name}")

    def _put(self, kind: str, name: str, document: Document) -> None:
        self.store.put(kind, name, encode(document))
        self.on_change()

    def _all(self, kind: str, type_: type[D]) -> list[D]:
        return [decode(body, type_, f"record {kind}/{name}") for name, body in self.store.items(kind)]

    def _delete(self, kind: str, name: str) -> bool:
        found = self.store.delete(kind, name)
        self.on_change()
        return found

    def settings(self) -> Settings:
        """Raises KubefortError before `setup`."""
        settings = self._get("settings", "settings", Settings)
        if settings is None:
            raise KubefortError("the coordinator is not set up", "run `kfctl init` on this host")
        return settings

    def put_settings(self, settings: Settings) -> None:
        self._put("settings", "settings", settings)

    def cluster(self) -> ClusterRecord | None:
        return self._get("cluster", "cluster", ClusterRecord)

    def need_cluster(self) -> ClusterRecord:
        """Raises Refused before `kfctl init`."""
        record = self.cluster()
        if record is None:
            raise Refused("there is no cluster yet", "run `kfctl init` on the coordinator's host")
        return record

    def put_cluster(self, record: ClusterRecord) -> None:
        self._put("cluster", "cluster", record)

    def delete_cluster(self) -> None:
        self._delete("cluster", "cluster")

    def hosts(self) -> list[HostRecord]:
        """All hosts, in the order of their enrolment."""
        return self._all("host", HostRecord)

    def host(self, name: str) -> HostRecord | None:
        return self._get("host", name, HostRecord)

    def need_host(self, name: str) -> HostRecord:
        """Raises Refused where there is no such host."""
        record = self.host(name)
        if record is None:
            raise Refused(f"there is no host {name}", "see `kfctl nodes`")
        return record

    def put_host(self, record: HostRecord) -> None:
        self._put("host", record.name, record)

    def delete_host(self, name: str) -> None:
        with self.transaction():
            self._delete("host", name)
            self._delete("spec", name)

    def spec(self, host: str) -> NodeSpec | None:
        """The spec that was last published for a host."""
        return self._get("spec", host, NodeSpec)

    def put_spec(self, spec: NodeSpec) -> None:
        self._put("spec", spec.node.name, spec)

    def operator(self, name: str) -> OperatorRecord | None:
        return self._get("operator", name, OperatorRecord)

    def operators(self) -> list[OperatorRecord]:
        return self._all("operator", OperatorRecord)

    def delete_operator(self, name: str) -> bool:
        return self._delete("operator", name)

    def put_operator(self, record: OperatorRecord) -> None:
        self._put("operator", record.name, record)

    def tokens(self) -> list[TokenRecord]:
        return self._all("token", TokenRecord)

    def token(self, id: str) -> TokenRecord | None:
        return self._get("token", id, TokenRecord)

    def put_token(self, record: TokenRecord) -> None:
        self._put("token", record.id, record)

    def delete_token(self, id: str) -> bool:
        return self._delete("token", id)

    def operations(self) -> list[OperationRecord]:
        """All operations, oldest first."""
        return self._all("operation", OperationRecord)

    def operation(self, id: str) -> OperationRecord | None:
        return self._get("operation", id, OperationRecord)

    def need_operation(self, id: str) -> OperationRecord:
        """Raises Refused where there is no such operation."""
        record = self.operation(id)
        if record is None:
            raise Refused(f"there is no operation {id}", "see `kfctl operation list`")
        return record

    def put_operation(self, record: OperationRecord) -> None:
        self._put("operation", record.state.id, record)

    def delete_operation(self, id: str) -> bool:
        return self._delete("operation", id)

    def operation_of(self, host: str) -> OperationRecord | None:
        """The newest operation that changes a host."""
        return next((record for record in reversed(self.operations()) if host in record.hosts), None)

    def add_event(self, event: Event) -> None:
        self.store.add_event(encode(event))
        self.on_change()

    def events(self, after: int = 0) -> list[tuple[int, Event]]:
        """Events behind the one with number `after`, with their numbers."""
        return [(number, decode(body, Event, f"event {number}")) for number, body in self.store.events(after)]
