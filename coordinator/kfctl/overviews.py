"""The coordinator's overview as text."""

from __future__ import annotations

from kubefort.model.operation import HostOverview, OperationState, Overview

from kfctl.health import findings, running
from kfctl.text import columns, duration
from kfctl.virtualip import holders


def page(overview: Overview) -> str:
    """What `kfctl status` prints."""
    parts = [_cluster(overview)]
    if overview.hosts:
        parts.append(hosts(overview))
    parts += [_operation(operation, overview.time) for operation in running(overview)]
    found = findings(overview)
    sentences = [f"  {f.host + ': ' if f.host else ''}{f.what}" + (f" ({f.why})" if f.why else "") for f in found]
    if sentences:
        parts.append("Not ok (what to do: kfctl doctor):\n" + "\n".join(sentences))
    else:
        parts.append("Everything is as it should be.")
    return "\n\n".join(parts)


def _cluster(overview: Overview) -> str:
    cluster = overview.cluster
    if cluster is None:
        return f"No cluster yet. Coordinator: Kubefort {overview.version}"
    held = " and ".join(holders(overview))
    rows = [
        ("Cluster", f"{cluster.name}, Kubernetes {cluster.kubernetes_version}"),
        ("Endpoint", cluster.endpoint or "the first control-plane host"),
        ("Virtual IP", f"{cluster.vip.address}, held by {held or 'nobody'}" if cluster.vip else "none"),
        ("Pods, Services", f"{', '.join(cluster.pod_subnets)}; {', '.join(cluster.service_subnets)}"),
        ("Coordinator", f"Kubefort {overview.version}"),
    ]
    return columns(rows)


def word(host: HostOverview) -> str:
    """A host's state in one word."""
    if not host.connected:
        return "unreachable"
    if host.status is None:
        return "unknown"
    if host.status.observed_generation != host.generation or not host.status.converged:
        return "changing"
    return "ok" if host.status.healthy else "unhealthy"


def hosts(overview: Overview) -> str:
    """One line per host, a heading above."""
    rows = [("HOST", "ROLE", "ADDRESS", "STAGE", "STATE", "SEEN", "AGENT")]
    for host in overview.hosts:
        seen = f"{duration(overview.time - host.seen)} ago" if host.seen else "never"
        version = host.status.version if host.status else ""
        rows.append((host.name, host.role, host.address, host.stage, word(host), seen, version))
    return columns(rows)


def _operation(operation: OperationState, now: float) -> str:
    since = f", since {duration(now - operation.created)}" if operation.created else ""
    lines = [f"Under way: {operation.title} ({operation.id}){since}"]
    for phase in operation.phases:
        if phase.status == "running":
            lines.append(f"  {phase.title}" + (f": waiting for {phase.waiting_for}" if phase.waiting_for else ""))
    done = sum(phase.status == "done" for phase in operation.phases)
    return "\n".join([*lines, f"  {done} of {len(operation.phases)} phases are done"])
