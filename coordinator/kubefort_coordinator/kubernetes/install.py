"""Applying objects to a cluster, with the exceptions that kubeadm makes for what operators are known to change."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Protocol

Object = dict[str, Any]


class Api(Protocol):
    """What of KubernetesClient is needed here."""

    async def get(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> Object | None: ...
    async def apply(self, wanted: Object) -> Object: ...
    async def create_if_missing(self, wanted: Object) -> bool: ...


async def install(api: Api, objects: Iterable[Object]) -> None:
    """Apply each in order; may be repeated. Raises what the client raises, at the first object that fails.

    The Corefile, once there, is the operator's, and so is the number of CoreDNS' replicas.
    """
    for wanted in objects:
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        if (kind, name) == ("ConfigMap", "coredns"):
            await api.create_if_missing(wanted)
            continue
        if kind == "Deployment":
            wanted = await _keep_replicas(api, wanted)
        await api.apply(wanted)


async def _keep_replicas(api: Api, wanted: Object) -> Object:
    metadata = wanted["metadata"]
    present = await api.get("Deployment", metadata["name"], metadata.get("namespace", ""), wanted["apiVersion"])
    if present is None or "replicas" not in present.get("spec", {}):
        return wanted
    kept = copy.deepcopy(wanted)
    kept["spec"]["replicas"] = present["spec"]["replicas"]
    return kept
