"""Where objects of a kind are found: a table for the kinds we make ourselves; others are asked of the server."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Kind:
    """A kind's plural, as paths name it, and whether its objects lie in namespaces."""

    plural: str
    namespaced: bool


_RBAC = "rbac.authorization.k8s.io/v1"
KNOWN: dict[tuple[str, str], Kind] = {
    ("v1", "ConfigMap"): Kind("configmaps", True),
    ("v1", "Event"): Kind("events", True),
    ("v1", "Namespace"): Kind("namespaces", False),
    ("v1", "Node"): Kind("nodes", False),
    ("v1", "Pod"): Kind("pods", True),
    ("v1", "Secret"): Kind("secrets", True),
    ("v1", "Service"): Kind("services", True),
    ("v1", "ServiceAccount"): Kind("serviceaccounts", True),
    ("apps/v1", "DaemonSet"): Kind("daemonsets", True),
    ("apps/v1", "Deployment"): Kind("deployments", True),
    ("apps/v1", "StatefulSet"): Kind("statefulsets", True),
    (_RBAC, "ClusterRole"): Kind("clusterroles", False),
    (_RBAC, "ClusterRoleBinding"): Kind("clusterrolebindings", False),
    (_RBAC, "Role"): Kind("roles", True),
    (_RBAC, "RoleBinding"): Kind("rolebindings", True),
    ("policy/v1", "PodDisruptionBudget"): Kind("poddisruptionbudgets", True),
}


def group_path(api_version: str) -> str:
    """/api/v1 for the core group, /apis/GROUP/VERSION for any other."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def object_path(api_version: str, kind: Kind, namespace: str = "", name: str = "") -> str:
    """Path of one object, or (without a name) of all; of all namespaces where none is named."""
    path = group_path(api_version)
    if kind.namespaced and namespace:
        path += f"/namespaces/{quote(namespace, safe='')}"
    path += f"/{kind.plural}"
    return f"{path}/{quote(name, safe='')}" if name else path
