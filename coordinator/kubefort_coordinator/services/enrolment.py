"""Enrolment: a token for an identity."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from kubefort import document, identity
from kubefort.clusterrules import is_name
from kubefort.errors import InvalidInput, Refused
from kubefort.model.operation import JoinArguments
from kubefort.model.status import Facts
from kubefort.v1 import fleet_pb2 as wire
from kubefort.v1.fleet_pb2_grpc import EnrolmentServiceServicer

from kubefort_coordinator.authority import request_pin
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations.runner import Runner
from kubefort_coordinator.records import ClusterRecord, HostRecord, TokenRecord
from kubefort_coordinator.services.access import CALLER
from kubefort_coordinator.specs import free_pod_index, pod_cidrs, reaches

MAX_SKEW_S = 30.0


def check_clock(host: str, theirs: float, ours: float) -> None:
    """Raises Refused where a host's clock is off, and says by how much."""
    offset = theirs - ours
    if abs(offset) > MAX_SKEW_S:
        raise Refused(
            f"the clock of {host} is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} the coordinator's",
            "set it right, for instance with `systemctl restart systemd-timesyncd` or chrony",
        )


def check_name(name: str) -> None:
    """Raises InvalidInput where a host name cannot be a node's name."""
    if not is_name(name):
        raise InvalidInput(
            f"host name {name!r} cannot be a node's name: lower-case letters, digits, - and . only",
            f"set another one, for instance `hostnamectl set-hostname {_suggestion(name)}`",
        )


def _suggestion(name: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "node-1"


def check_unique(facts: Facts, hosts: list[HostRecord]) -> HostRecord | None:
    """The record of this very host where it enrolled before; raises Refused where another one is like it."""
    for other in hosts:
        same = other.name == facts.hostname, bool(facts.machine_id) and other.facts.machine_id == facts.machine_id
        if all(same):
            return other
        if same[0]:
            raise Refused(
                f"there is another host named {facts.hostname} (its machine-id is not this one's)",
                f"give this host another name, or remove the other one with `kfctl reset {other.name}`",
            )
        if same[1]:
            raise Refused(
                f"this host has the machine-id of {other.name}",
                "make a new one: `rm /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup`, then reboot",
            )
        if other.address == facts.address:
            raise Refused(f"{other.name} has the address {facts.address} already", "give this host another address")
    return None


class Enrolment(EnrolmentServiceServicer):
    """Served without client certificates."""

    def __init__(self, coordinator: Coordinator, runner: Runner) -> None:
        self._coordinator = coordinator
        self._runner = runner

    async def Enrol(self, request: wire.EnrolRequest, context: Any) -> wire.EnrolResponse:
        coordinator = self._coordinator
        facts = document.decode(request.facts, Facts, "the host's facts")
        # Whoever shows the key of the host that enrolled with it lost our answer: his token is good once more.
        before = coordinator.records.host(facts.hostname)
        pin = request_pin(request.certificate_request)
        again = before is not None and pin in before.identities
        token = coordinator.tokens.check(request.token, CALLER.get().address, spent_before=again)
        check_clock(facts.hostname, request.time, coordinator.clock())
        check_name(facts.hostname)
        cluster = coordinator.records.need_cluster()
        known = check_unique(facts, coordinator.records.hosts())
        certificate = coordinator.pki.fleet.sign(request.certificate_request, facts.hostname, (identity.AGENTS,))
        with coordinator.records.transaction():
            if not again:
                coordinator.tokens.spend(token)
            host = self._record(facts, token, cluster, known, pin, tuple(request.ignored_checks))
            anew = request.bare and not again and self._lost(cluster, host)
            if anew:
                host = msgspec.structs.replace(host, stage="enrolled", joined=False, etcd=None)
            coordinator.records.put_host(host)
            coordinator.publish()
            operation = self._operation(cluster, host, anew=anew)
        uuid = facts.product_uuid.lower()
        twins = [each.name for each in coordinator.records.hosts() if each.facts.product_uuid.lower() == uuid]
        if uuid and len(twins) > 1:
            message = f"the same product_uuid on {', '.join(twins)}: give each virtual machine its own"
            coordinator.event(host.name, "DuplicateProductUUID", message, warning=True)
        coordinator.event(host.name, "HostEnrolled", f"{host.name} ({host.role}, {host.address}) enrolled")
        return wire.EnrolResponse(
            certificate=certificate,
            authority=coordinator.pki.fleet.certificate,
            fleet_address=coordinator.fleet_address,
            operation_id=operation,
        )

    def _lost(self, cluster: ClusterRecord, host: HostRecord) -> bool:
        """Whether a host that has nothing of the cluster any more had something; raises Refused where that was all."""
        if not reaches(host, "prepared") or (not cluster.bootstrapped and cluster.entry(host.name) is not None):
            return False
        others = [each for each in self._coordinator.control_planes("etcd") if each.name != host.name]
        if host.etcd is not None and not others:
            raise Refused(
                f"{host.name} had the only etcd member, and its data are gone: so is the cluster",
                f"forget it with `kfctl reset {host.name} --force`, then make another one with `kfctl init`",
            )
        message = f"{host.name} was a member and has nothing of the cluster any more: it joins anew"
        self._coordinator.event(host.name, "HostLost", message, warning=True)
        return True

    def _record(
        self,
        facts: Facts,
        token: TokenRecord,
        cluster: ClusterRecord,
        known: HostRecord | None,
        pin: str,
        ignored: tuple[str, ...],
    ) -> HostRecord:
        entry = cluster.entry(facts.hostname)
        if entry is not None and entry.role != token.role:
            raise Refused(
                f"{facts.hostname} is a {entry.role} in cluster.yaml, and this token is for a {token.role}",
                f"make one with `kfctl token create --role {entry.role}`",
            )
        if known is not None:
            if known.role != token.role:
                raise Refused(
                    f"{known.name} is a {known.role} already, and this token is for a {token.role}",
                    f"make one with `kfctl token create --role {known.role}`, or `kfctl reset {known.name}` first",
                )
            return msgspec.structs.replace(
                known, facts=facts, identities=(pin,), ignored_checks=ignored or known.ignored_checks
            )
        index = free_pod_index(self._coordinator.records.hosts())
        pod_cidrs(cluster.cluster, index)
        return HostRecord(
            name=facts.hostname,
            role=token.role,
            address=(entry.address if entry and entry.address else facts.address),
            facts=facts,
            pod_index=index,
            identities=(pin,),
            labels=entry.labels if entry else {},
            taints=entry.taints if entry else (),
            ignored_checks=ignored,
            enrolled=self._coordinator.clock(),
        )

    def _operation(self, cluster: ClusterRecord, host: HostRecord, *, anew: bool) -> str:
        """The id of the operation that makes the host a member, begun where there is none yet, or `anew`."""
        if anew:
            return self._runner.begin("join", JoinArguments(host.name), anew=True).id
        if host.joined or (not cluster.bootstrapped and cluster.entry(host.name) is not None):
            return ""
        latest = self._coordinator.records.operation_of(host.name)
        if latest is not None and latest.state.kind == "join" and latest.state.status in ("failed", "aborted"):
            return self._runner.resume(latest.state.id).id
        return self._runner.begin("join", JoinArguments(host.name)).id
