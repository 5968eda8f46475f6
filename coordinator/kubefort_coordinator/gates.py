"""Gates: what of a host must be so before the next one's turn. Each returns what is waited for, "" where it is so."""

from __future__ import annotations

from typing import Any

from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS
from kubefort.model.cluster import CONTROL_PLANE
from kubefort.model.spec import NodeSpec, UpgradeStep, minor_of

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.kubernetes.client import readiness
from kubefort_coordinator.membership import views
from kubefort_coordinator.phases.controlplane import peer_url

Object = dict[str, Any]

MOST_BEHIND = 200
"""Raft entries that a member may be behind its leader and still count as in sync."""


async def api_server(coordinator: Coordinator, host: str, version: str) -> str:
    """The host's own API server is ready, in this version."""
    kubernetes = coordinator.kubernetes(host)
    ready, why = await kubernetes.ready()
    if not ready:
        return f"the API server of {host} to be ready ({why})"
    found = await kubernetes.version()
    if found != version:
        return f"the API server of {host} to be {version} (it is {found})"
    return ""


async def component(coordinator: Coordinator, host: str, name: str, version: str) -> str:
    """The component runs from the image of `version`, and is well."""
    spec = coordinator.spec(host)
    if is_pod(spec, name):
        pod = await coordinator.kubernetes().get("Pod", f"{name}-{host}", "kube-system")
        wanted = [each.ref for each in coordinator.artifacts(version) if (each.kind, each.name) == ("image", name)]
        if pod is None:
            return f"the pod {name}-{host}"
        if pod["spec"]["containers"][0]["image"] not in wanted:
            return f"kubelet of {host} to start the new {name}"
        if not _pod_ready(pod):
            return f"{name} on {host} to be ready"
    status = coordinator.observer.sight(host).status
    condition = status.condition(name) if status else None
    if condition is not None and not condition.ok:
        return f"{name} on {host} to be well ({condition.message})"
    return ""


async def etcd(coordinator: Coordinator, host: str) -> str:
    """The host's member is healthy and no more than a moment behind its leader, and so are all others."""
    record = coordinator.records.need_host(host)
    async with coordinator.etcd() as client:
        members = await client.members()
        sick = [view.name for view in await views(client, members) if not view.healthy or view.learner]
        if sick:
            return f"etcd on {', '.join(sick)} to be well"
        own = next((member for member in members if peer_url(record) in member.peer_urls), None)
        if own is None:
            return f"etcd to list the member of {host}"
        status = await client.status(own.client_urls[0])
        leader = next((member for member in members if member.id == status.leader), own)
        ahead = (await client.status(leader.client_urls[0])).raft_index
        if ahead - status.raft_applied_index > MOST_BEHIND:
            return f"etcd on {host} to catch up ({ahead - status.raft_applied_index} entries behind)"
    return ""


async def node(coordinator: Coordinator, host: str, version: str) -> str:
    """The node is Ready with a kubelet of `version`, the host as its spec wants it; a control plane works."""
    wait = coordinator.unsettled(host)
    if wait:
        return wait
    found = await coordinator.kubernetes().get("Node", host)
    kubelet = ((found or {}).get("status") or {}).get("nodeInfo", {}).get("kubeletVersion", "none")
    if found is None or kubelet != version:
        return f"the kubelet of {host} to report {version} (it reports {kubelet})"
    ready, why = readiness(found)
    if not ready:
        return why
    if coordinator.records.need_host(host).role != CONTROL_PLANE:
        return ""
    wait = await api_server(coordinator, host, version)
    for name in ("etcd", "kube-controller-manager", "kube-scheduler"):
        wait = wait or await component(coordinator, host, name, version)
    return wait or await etcd(coordinator, host)


async def containers(coordinator: Coordinator, host: str, step: UpgradeStep) -> dict[str, str]:
    """Component → id of its container, of those that a step restarts: a newer minor of kubelet does so with all static
    pods of its host, and last the API server forgets the other etcd members."""
    spec = coordinator.spec(host)
    if not spec.is_control_plane or spec.upgrade is None:
        return {}
    newer = minor_of(spec.cluster.kubernetes_version) != minor_of(spec.upgrade.version)
    names = ("kube-apiserver",) if step == "own-etcd" else CONTROL_PLANE_COMPONENTS if newer else ()
    found = {}
    for name in names:
        if is_pod(spec, name):
            pod = await coordinator.kubernetes().get("Pod", f"{name}-{host}", "kube-system")
            states = ((pod or {}).get("status") or {}).get("containerStatuses") or [{}]
            found[name] = str(states[0].get("containerID", ""))
    return found


def is_pod(spec: NodeSpec, name: str) -> bool:
    return spec.cluster.component(name).run_mode == "static-pod"


def _pod_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
