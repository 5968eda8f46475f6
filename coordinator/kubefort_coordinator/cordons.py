"""Nodes from which pods are kept while something is done to their host, and how they were before."""

from __future__ import annotations

from kubefort import log
from kubefort.errors import KubefortError
from kubefort.kubeadm.versions import parse
from kubefort.model.operation import DrainSettings

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.kubernetes import drain
from kubefort_coordinator.records import Cordon
from kubefort_coordinator.specs import version_of

LOG = log.get("cordons")
AGAIN_S = 5.0


async def mark(coordinator: Coordinator, name: str, unschedulable: bool) -> bool:
    """Cordon or uncordon a node; False where there is none. Raises what the client raises."""
    kubernetes = coordinator.kubernetes()
    node = await kubernetes.get("Node", name)
    if node is None:
        return False
    if bool((node.get("spec") or {}).get("unschedulable")) != unschedulable:
        await kubernetes.patch_node(name, {"spec": {"unschedulable": unschedulable or None}})
    return True


async def hold(coordinator: Coordinator, name: str, *, keep: bool = False) -> Cordon:
    """Cordon a node, and write down before that how it was."""
    cordon = coordinator.records.need_host(name).cordon
    if cordon is None:
        node = await coordinator.kubernetes().get("Node", name)
        before = bool(((node or {}).get("spec") or {}).get("unschedulable"))
        cordon = Cordon(coordinator.clock(), before, keep)
        coordinator.update_host(name, cordon=cordon)
        coordinator.event(name, "Cordoned", f"{name} takes no new pods")
    await mark(coordinator, name, True)
    return cordon


async def release(coordinator: Coordinator, name: str) -> None:
    """Put a node back to how it was before `hold`."""
    host = coordinator.records.host(name)
    if host is None or host.cordon is None:
        return
    if not host.cordon.before and not host.cordon.keep:
        await mark(coordinator, name, False)
        coordinator.event(name, "Uncordoned", f"{name} takes pods again")
    coordinator.update_host(name, cordon=None)


async def empty(coordinator: Coordinator, name: str, settings: DrainSettings) -> str:
    """Make the pods of a held node leave: what is waited for, "" when they have. Raises KubefortError when it is late
    and `settings` say so, or where a pod may not be moved."""
    host, kubernetes = coordinator.records.need_host(name), coordinator.kubernetes()
    pods = await drain.pods_of(kubernetes, name)
    cordon = host.cordon
    left = (cordon.since if cordon else coordinator.clock()) + settings.deadline_s - coordinator.clock()
    if not pods or (left <= 0 and settings.late == "ignore"):
        return ""
    if left <= 0 and settings.late == "delete":
        return _first(await drain.delete(kubernetes, pods))
    refusals = [sentence for pod in pods if (sentence := drain.refusal(pod, settings))]
    if refusals:
        raise KubefortError(f"{name} cannot be drained: {'; '.join(refusals[:5])}", "move them yourself, or allow it")
    record = coordinator.records.need_cluster()
    oldest = min(parse(version_of(record, each)) for each in coordinator.control_planes())
    waits = await drain.evict(kubernetes, pods, oldest)
    if left <= 0:
        raise KubefortError(
            f"{name} is not empty after {settings.deadline_s:.0f} s, still waiting for {_first(waits)}",
            "help these pods (another replica, another budget), or say --late=delete or --late=ignore; then go on",
        )
    return _first(waits)


def _first(waits: list[str]) -> str:
    more = f" (and {len(waits) - 1} more)" if len(waits) > 1 else ""
    return waits[0] + more


def left_behind(coordinator: Coordinator) -> list[str]:
    """Hosts whose node we hold although no running operation is about them."""
    busy = {
        name for record in coordinator.records.operations() if record.state.status == "running" for name in record.hosts
    }
    return [host.name for host in coordinator.records.hosts() if host.cordon is not None and host.name not in busy]


async def keep(coordinator: Coordinator) -> None:
    """For ever: nodes that an operation left held when it failed, was aborted or paused, get their state back."""
    while True:
        seen = coordinator.changed.count
        names = left_behind(coordinator)
        for name in names:
            try:
                await release(coordinator, name)
            except KubefortError as error:
                LOG.warning("the node is still cordoned", host=name, why=error.message)
        if left_behind(coordinator):
            await coordinator.changed.wait(seen, AGAIN_S)
        else:
            await coordinator.changed.wait(seen)
