"""Who may do what: kubeadm's bindings (cmd/kubeadm/app/phases/bootstraptoken/node/tlsbootstrap.go, kubeconfig.go)."""

from __future__ import annotations

from kubefort.kubeadm.versions import Rules

from kubefort_coordinator.kubernetes.objects.shapes import (
    BOOTSTRAPPERS,
    NODES,
    Object,
    binding,
    group,
    role,
    rule,
    user,
)

_CSR = "system:certificates.k8s.io:certificatesigningrequests"


def rbac(rules: Rules) -> list[Object]:
    """Cluster roles and bindings beside the ConfigMaps' own."""
    token = [group(BOOTSTRAPPERS)]
    return [
        *(
            [binding("kubeadm:cluster-admins", "cluster-admin", [group("kubeadm:cluster-admins")])]
            if rules.cluster_admins_binding
            else []
        ),
        role("kubeadm:get-nodes", [rule(["nodes"], ["get"])]),
        binding("kubeadm:get-nodes", "kubeadm:get-nodes", token),
        binding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", token),
        binding("kubeadm:node-autoapprove-bootstrap", f"{_CSR}:nodeclient", token),
        binding("kubeadm:node-autoapprove-certificate-rotation", f"{_CSR}:selfnodeclient", [group(NODES)]),
        # kubeadm has it since 1.36.1 and late patches of 1.33 to 1.35. With every version it does no harm, and a
        # certificate without an organization, made during an upgrade, works at once.
        binding(
            "kubeadm:apiserver-kubelet-client", "system:kubelet-api-admin", [user("kube-apiserver-kubelet-client")]
        ),
    ]
