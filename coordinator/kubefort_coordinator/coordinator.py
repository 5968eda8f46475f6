"""The coordinator's parts, put together once and passed around."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
from kubefort import log
from kubefort.errors import KubefortError
from kubefort.kubeadm.addresses import host_port
from kubefort.kubeadm.certificates import Authority as AuthorityName
from kubefort.model.cluster import CONTROL_PLANE
from kubefort.model.spec import Artifact, NodeSpec, Stage
from kubefort.model.status import Event
from kubefort.paths import ENROLMENT_PORT, FLEET_PORT

from kubefort_coordinator.bundles import Bundles
from kubefort_coordinator.etcd.client import EtcdClient
from kubefort_coordinator.kubernetes.client import KubernetesClient
from kubefort_coordinator.observer import Observer
from kubefort_coordinator.pki import Pki
from kubefort_coordinator.records import HostRecord, Records
from kubefort_coordinator.signals import Changed
from kubefort_coordinator.specs import next_spec, reaches, render, version_of
from kubefort_coordinator.store.sqlite import SqliteStore
from kubefort_coordinator.tokens import Tokens

LOG = log.get("coordinator")

GATHER_S = 0.1


class Coordinator:
    """Records, keys, bundles and observations. Nothing here waits; `changed` tells of every change."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        enrolment_port: int = ENROLMENT_PORT,
        fleet_port: int = FLEET_PORT,
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.enrolment_port, self.fleet_port = enrolment_port, fleet_port
        self.changed = Changed()
        self.records = Records(SqliteStore(folder / "kubefort.db"), self.changed.notify)
        self.pki = Pki(folder)
        self.bundles = Bundles(folder / "bundles")
        self.tokens = Tokens(self.records, clock)
        self.observer = Observer(self.changed, clock)
        self._heard: list[Event] = []
        self._clients: dict[str, tuple[tuple[str, int], tuple[str, str]]] = {}
        record = self.records.cluster()
        if record is not None:
            self.pki.algorithm = record.cluster.key_algorithm

    def artifacts(self, version: str = "") -> tuple[Artifact, ...]:
        """The artifacts of a version, "" for the cluster's; none where no bundle was added for it."""
        try:
            return self.bundles.artifacts(version or self.records.need_cluster().cluster.kubernetes_version)
        except KubefortError:
            return ()

    def publish(self, force: Iterable[str] = ()) -> None:
        """Render every host's spec, and give those that changed (or are named in `force`) the next generation."""
        record = self.records.cluster()
        if record is None:
            return
        hosts, forced = self.records.hosts(), set(force)
        with self.records.transaction():
            for host in hosts:
                artifacts = self.artifacts(version_of(record, host))
                upcoming = self.artifacts(host.moving.version) if host.moving else ()
                rendered = render(record, hosts, host, artifacts, upcoming)
                spec = next_spec(self.records.spec(host.name), rendered, force=host.name in forced)
                if spec is not None:
                    self.records.put_spec(spec)
                    LOG.info("spec published", host=host.name, generation=spec.generation, stage=spec.stage)

    def update_host(self, name: str, **changes: object) -> None:
        """Change fields of a host's record and publish what follows; nothing where they are so already."""
        host = self.records.need_host(name)
        changed = msgspec.structs.replace(host, **changes)
        if changed != host:
            with self.records.transaction():
                self.records.put_host(changed)
                self.publish()

    def raise_stage(self, name: str, stage: Stage) -> None:
        """Bring a host's desired stage up to `stage`; one that is further stays."""
        if not reaches(self.records.need_host(name), stage):
            self.update_host(name, stage=stage)

    def spec(self, name: str) -> NodeSpec:
        """The published spec of a host; raises Refused where there is none."""
        self.records.need_host(name)
        spec = self.records.spec(name)
        if spec is None:
            self.publish()
            spec = self.records.spec(name)
        if spec is None:
            raise KubefortError(f"{name} has no desired state: there is no cluster")
        return spec

    def unsettled(self, name: str) -> str:
        """ "" when a host is as its spec wants it, else what is waited for."""
        return self.observer.unsettled(self.spec(name))

    def event(self, host: str, reason: str, message: str, *, warning: bool = False) -> None:
        """Append to the events that operators see."""
        self.records.add_event(Event(self.clock(), host, reason, message, "Warning" if warning else "Normal"))
        LOG.info(message, host=host, reason=reason)

    def hear(self, event: Event) -> None:
        """Take an agent's event; a burst of them is written together, a moment later."""
        self._heard.append(event)
        if len(self._heard) == 1:
            asyncio.get_running_loop().call_later(GATHER_S, self._write_heard)

    def _write_heard(self) -> None:
        heard, self._heard = self._heard, []
        if heard:
            try:
                with self.records.transaction():
                    for event in heard:
                        self.records.add_event(event)
            except KubefortError as error:
                LOG.error("events are lost", number=len(heard), why=error.message)

    def control_planes(self, stage: Stage = "control-plane") -> list[HostRecord]:
        """Control-plane hosts at `stage` or beyond; for "etcd", those that are members."""
        found = [each for each in self.records.hosts() if each.role == CONTROL_PLANE and reaches(each, stage)]
        return [each for each in found if each.etcd is not None] if stage == "etcd" else found

    def _own(self, name: AuthorityName, *organizations: str) -> tuple[bytes, bytes, bytes]:
        """Authority, certificate and key (PEM) of the coordinator as a client; a new one every day."""
        authority = self.pki.cluster(name)
        wanted = (authority.certificate, int(self.clock() // 86400))
        kept = self._clients.get(name)
        if kept is None or kept[0] != wanted:
            kept = self._clients[name] = (wanted, authority.issue("kubefort-coordinator", organizations))
        key, certificate = kept[1]
        return authority.certificate.encode(), certificate.encode(), key.encode()

    def kubernetes(self, *hosts: str) -> KubernetesClient:
        """A client of the API servers of those hosts, or of all that have one."""
        chosen = [self.records.need_host(name) for name in hosts] or self.control_planes()
        servers = [f"https://{host_port(host.address)}" for host in chosen]
        return KubernetesClient(servers, *self._own("kubernetes", "system:masters"))

    def etcd(self, *hosts: HostRecord) -> EtcdClient:
        """A client of the etcd members of those hosts, or of all that have one."""
        endpoints = [f"https://{host_port(host.address, 2379)}" for host in hosts or self.control_planes("etcd")]
        return EtcdClient(endpoints, *self._own("etcd"))

    @property
    def fleet_address(self) -> str:
        return host_port(self.records.settings().address, self.fleet_port)

    @property
    def enrolment_address(self) -> str:
        return host_port(self.records.settings().address, self.enrolment_port)

    def close(self) -> None:
        self._write_heard()
        self.records.store.close()
