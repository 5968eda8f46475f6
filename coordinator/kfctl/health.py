"""From the coordinator's overview to what is wrong, why, and what to type. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kubefort.model.cluster import CONTROL_PLANE
from kubefort.model.operation import HostOverview, OperationState, Overview

from kfctl.text import duration
from kfctl.virtualip import claimants, members


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. `command` is what to type, several lines where it takes more."""

    what: str
    why: str = ""
    command: str = ""
    host: str = ""
    severity: Literal["error", "warning"] = "error"


def healthy(overview: Overview) -> bool:
    """Whether there is a cluster and nothing of it is known to be wrong."""
    return not any(finding.severity == "error" for finding in findings(overview))


def findings(overview: Overview) -> tuple[Finding, ...]:
    """Everything that is wrong, the most general first."""
    return tuple(_findings(overview))


def running(overview: Overview) -> tuple[OperationState, ...]:
    """Operations under way, oldest first."""
    return tuple(sorted((o for o in overview.operations if o.status == "running"), key=lambda o: o.created))


def _findings(overview: Overview) -> Iterator[Finding]:
    if overview.cluster is None:
        yield Finding("there is no cluster yet", command="kfctl init --bundle FOLDER")
    yield from _operations(overview)
    for host in overview.hosts:
        yield from _host(host, overview)
    yield from _vip(overview)
    planes = sum(host.role == CONTROL_PLANE and host.stage == "node" for host in overview.hosts)
    if planes and planes % 2 == 0 and not running(overview):
        why = f"etcd with {planes} members survives no more failures than with {planes - 1}"
        command = "kfctl token create --role control-plane"
        yield Finding(f"the cluster has {planes} control-plane hosts", why, command, severity="warning")


def _vip(overview: Overview) -> Iterator[Finding]:
    cluster, seen = overview.cluster, members(overview)
    if cluster is None or cluster.vip is None or not seen or running(overview):
        return
    address, holders = cluster.vip.address, [member.name for member in seen if member.holds]
    for member in seen:
        if member.connected and not member.answers:
            command = f"on {member.name}: systemctl status kubefort-vip; journalctl -u kubefort-vip -n 50"
            yield Finding("its kubefort-vip does not answer", "", command, member.name, "warning")
        elif member.status is not None and (why := "; ".join(claimants(member.status))):
            yield Finding("others disturb the virtual IP", why, "kfctl vip status", member.name, "warning")
    if not holders:
        command = "on a control-plane host: systemctl status kubefort-vip; journalctl -u kubefort-vip -n 50"
        yield Finding(f"nobody holds the virtual IP {address}", "", command)
    elif len(holders) > 1:
        why = f"{', '.join(holders)} do, as of their last report; do they hear each other?"
        command = f"on each of them: ip address show to {address}; journalctl -u kubefort-vip -n 50"
        yield Finding(f"more than one host holds the virtual IP {address}", why, command)


def _operations(overview: Overview) -> Iterator[Finding]:
    newest: dict[str, OperationState] = {}
    for operation in sorted(overview.operations, key=lambda o: o.created):
        newest[operation.title] = operation
    for operation in newest.values():
        if operation.status == "failed":
            where = next((phase.title for phase in operation.phases if phase.status == "failed"), "")
            why = f"{where}: {operation.error}" if where else operation.error
            commands = [operation.hint] if operation.hint else []
            if f"resume {operation.id}" not in operation.hint:
                commands.append(f"kfctl operation resume {operation.id}")
            yield Finding(f"{operation.title} failed", why, "\n".join(commands))


def _host(host: HostOverview, overview: Overview) -> Iterator[Finding]:
    name, status = host.name, host.status
    on_it = f"on {name}: systemctl status kubefort-agent; journalctl -u kubefort-agent -n 50"
    if not host.connected:
        ago = f"last seen {duration(overview.time - host.seen)} ago" if host.seen else "it was never seen"
        yield Finding("its agent is not connected", ago, on_it, name)
    if status is None:
        if host.connected:
            yield Finding("its agent has not reported yet", "", on_it, name)
        return
    for check in status.preflight or ():
        yield Finding(f"preflight {check.name}: {check.message}", "", check.hint, name, check.severity)
    for condition in status.conditions:
        if not condition.ok:
            yield Finding(f"{condition.name}: {condition.message or 'not ok'}", "", f"kfctl events --host {name}", name)
    if not status.converged or status.observed_generation != host.generation:
        if status.observed_generation != host.generation:
            why = f"generation {host.generation} is wanted, {status.observed_generation} is there"
        else:
            why = "; ".join(status.pending[:3]) or "it does not say what is missing"
        yield Finding("it is not yet what it should be", why, "kfctl plan", name)
    if status.version and overview.version and status.version != overview.version:
        why = f"the agent has {status.version}, the coordinator {overview.version}"
        yield Finding("it runs another version of Kubefort", why, "install the same version", name, "warning")
