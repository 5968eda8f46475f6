"""Which pods of a node must go before its kubelet is changed, and which may not be made to; pure but for `evict`.

As `kubectl drain` does it: DaemonSets' pods and static pods stay, finished ones do not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubefort.kubeadm.versions import Version
from kubefort.model.operation import DrainSettings

from kubefort_coordinator.kubernetes.client import KubernetesClient

Object = dict[str, Any]

_MIRROR = "kubernetes.io/config.mirror"
_FINISHED = ("Succeeded", "Failed")
_EVICTION_V1 = 22
"""kubernetes#100724"""


def full_name(pod: Object) -> str:
    """namespace/name"""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _owner(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences") or []
    return next((str(owner["kind"]) for owner in owners if owner.get("controller")), "")


def leaving(pods: Iterable[Object]) -> list[Object]:
    """The pods that a drain moves, those that are going already among them."""
    return [
        pod
        for pod in pods
        if _MIRROR not in (pod["metadata"].get("annotations") or {})
        and _owner(pod) != "DaemonSet"
        and pod.get("status", {}).get("phase") not in _FINISHED
    ]


def refusal(pod: Object, settings: DrainSettings) -> str:
    """Why a pod may not be evicted under these settings; "" where it may."""
    if "deletionTimestamp" in pod["metadata"]:
        return ""
    if not _owner(pod) and not settings.unmanaged:
        return f"pod {full_name(pod)} belongs to nobody who would start it again (allow it with --unmanaged-pods)"
    volumes = pod.get("spec", {}).get("volumes") or []
    if any("emptyDir" in volume for volume in volumes) and not settings.local_data:
        return f"pod {full_name(pod)} has data on the node (emptyDir) that would be lost (allow it with --local-data)"
    return ""


async def pods_of(kubernetes: KubernetesClient, node: str) -> list[Object]:
    """The pods of a node that a drain moves."""
    return leaving(await kubernetes.list("Pod", fields=f"spec.nodeName={node}"))


async def evict(kubernetes: KubernetesClient, pods: Iterable[Object], oldest: Version) -> list[str]:
    """Ask that these go; what is waited for, in sentences. `oldest`: version of the oldest API server."""
    api_version = "policy/v1" if oldest.minor >= _EVICTION_V1 else "policy/v1beta1"
    waits = []
    for pod in pods:
        metadata = pod["metadata"]
        if "deletionTimestamp" in metadata:
            waits.append(f"pod {full_name(pod)} to end")
            continue
        why = await kubernetes.evict(metadata["namespace"], metadata["name"], api_version)
        waits.append(f"pod {full_name(pod)} to be evicted ({why})" if why else f"pod {full_name(pod)} to end")
    return waits


async def delete(kubernetes: KubernetesClient, pods: Iterable[Object]) -> list[str]:
    """Delete these whatever a PodDisruptionBudget says; what is waited for."""
    waits = []
    for pod in pods:
        if "deletionTimestamp" not in pod["metadata"]:
            await kubernetes.delete("Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
        waits.append(f"pod {full_name(pod)} to end")
    return waits
