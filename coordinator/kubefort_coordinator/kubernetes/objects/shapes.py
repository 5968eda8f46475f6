"""Small makers of objects that all files here share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from kubefort.errors import InvalidInput
from kubefort.model.spec import Artifact

Object = dict[str, Any]

RBAC_GROUP = "rbac.authorization.k8s.io"
RBAC = f"{RBAC_GROUP}/v1"
SYSTEM = "kube-system"
PUBLIC = "kube-public"

BOOTSTRAPPERS = "system:bootstrappers:kubeadm:default-node-token"
NODES = "system:nodes"


def to_yaml(document: object) -> str:
    """YAML with a stable order of keys: the same document is the same text, so applying it again changes nothing."""
    return yaml.safe_dump(document, sort_keys=True, default_flow_style=False)


def image(artifacts: Sequence[Artifact], name: str) -> str:
    """The full reference of the image artifact `name`; raises InvalidInput where the bundle has none."""
    for artifact in artifacts:
        if artifact.kind == "image" and artifact.name == name:
            return artifact.ref
    raise InvalidInput(f"the bundle has no image {name}", "make the bundle again with `kfctl bundle create`")


def metadata(name: str, namespace: str = "") -> Object:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}


def config_map(name: str, namespace: str, data: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, namespace), "data": data}


def service_account(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(name, SYSTEM)}


def rule(resources: Sequence[str], verbs: Sequence[str], names: Sequence[str] = (), group: str = "") -> Object:
    made: Object = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    return made | ({"resourceNames": list(names)} if names else {})


def role(name: str, rules: Sequence[Object], namespace: str = "") -> Object:
    """A Role, or without a namespace a ClusterRole."""
    kind = "Role" if namespace else "ClusterRole"
    return {"apiVersion": RBAC, "kind": kind, "metadata": metadata(name, namespace), "rules": list(rules)}


def binding(name: str, role_name: str, subjects: Sequence[Object], namespace: str = "") -> Object:
    """A RoleBinding to a Role of its namespace, or without a namespace a ClusterRoleBinding to a ClusterRole."""
    prefix = "" if namespace else "Cluster"
    return {
        "apiVersion": RBAC,
        "kind": f"{prefix}RoleBinding",
        "metadata": metadata(name, namespace),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": f"{prefix}Role", "name": role_name},
        "subjects": list(subjects),
    }


def group(name: str) -> Object:
    return {"apiGroup": RBAC_GROUP, "kind": "Group", "name": name}


def user(name: str) -> Object:
    return {"apiGroup": RBAC_GROUP, "kind": "User", "name": name}


def account(name: str, namespace: str = SYSTEM) -> Object:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def readable_config_map(role_name: str, map_name: str, subjects: Sequence[Object], namespace: str) -> list[Object]:
    """The Role and RoleBinding that let `subjects` read one ConfigMap."""
    return [
        role(role_name, [rule(["configmaps"], ["get"], [map_name])], namespace),
        binding(role_name, role_name, subjects, namespace),
    ]
