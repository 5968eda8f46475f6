"""The ConfigMap cluster-info in kube-public: by it a host with a token learns the endpoint and trusts the authority.

The controller manager's bootstrap signer adds a signature (jws-kubeconfig-ID) for each bootstrap token.
"""

from __future__ import annotations

import base64

from kubefort.model.cluster import Cluster

from kubefort_coordinator.kubernetes.objects.shapes import (
    PUBLIC,
    Object,
    config_map,
    readable_config_map,
    to_yaml,
    user,
)

_ROLE = "kubeadm:bootstrap-signer-clusterinfo"


def cluster_info(cluster: Cluster, authority_pem: bytes) -> list[Object]:
    """cluster-info, and that everybody may read it."""
    kubeconfig: Object = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "",
                "cluster": {
                    "certificate-authority-data": base64.b64encode(authority_pem).decode(),
                    "server": f"https://{cluster.endpoint}",
                },
            }
        ],
        "contexts": None,
        "current-context": "",
        "preferences": {},
        "users": None,
    }
    return [
        config_map("cluster-info", PUBLIC, {"kubeconfig": to_yaml(kubeconfig)}),
        *readable_config_map(
            "kubeadm:bootstrap-signer-clusterinfo", "cluster-info", [user("system:anonymous")], PUBLIC
        ),
    ]
