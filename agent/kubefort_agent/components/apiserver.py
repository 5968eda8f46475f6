"""kube-apiserver (cmd/kubeadm/app/phases/controlplane/manifests.go, getAPIServerCommand)."""

from __future__ import annotations

from pathlib import Path

from kubefort.kubeadm.addresses import API_PORT, host_port
from kubefort.paths import KUBERNETES, PKI

from kubefort_agent.components.authorities import authority_mounts
from kubefort_agent.components.component import Component, Context, HttpCheck, Mount, arguments

ENCRYPTION_CONFIG: Path = KUBERNETES / "encryption/config.yaml"
"""In a folder of its own, so that the mount sees the file that replaces it."""


def etcd_servers(context: Context) -> tuple[str, ...]:
    """The host's own member; while that is upgraded (and restarted once more by the newer kubelet), the others too.

    Without them kubelet, before it starts the new etcd, would wait for an answer of this API server, which would wait
    for etcd (kubernetes#139502).
    """
    spec = context.spec
    own = "https://[::1]:2379" if ":" in spec.node.address else "https://127.0.0.1:2379"
    changing = spec.upgrade is not None and spec.upgrade.etcd_changes
    if not changing or not spec.upgraded("api-server") or spec.upgraded("own-etcd"):
        return (own,)
    others = (node.address for node in spec.control_planes() if node.name != spec.node.name)
    return (own, *(f"https://{host_port(address, 2379)}" for address in others))


def apiserver(context: Context) -> Component:
    """The host's API server."""
    cluster, node, table = context.spec.cluster, context.spec.node, context.rules
    flags = {
        "advertise-address": node.address,
        "allow-privileged": "true",
        "authorization-mode": "Node,RBAC",
        "client-ca-file": f"{PKI}/ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "enable-bootstrap-token-auth": "true",
        "etcd-cafile": f"{PKI}/etcd/ca.crt",
        "etcd-certfile": f"{PKI}/apiserver-etcd-client.crt",
        "etcd-keyfile": f"{PKI}/apiserver-etcd-client.key",
        "etcd-servers": ",".join(etcd_servers(context)),
        "kubelet-client-certificate": f"{PKI}/apiserver-kubelet-client.crt",
        "kubelet-client-key": f"{PKI}/apiserver-kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
        "proxy-client-cert-file": f"{PKI}/front-proxy-client.crt",
        "proxy-client-key-file": f"{PKI}/front-proxy-client.key",
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-client-ca-file": f"{PKI}/front-proxy-ca.crt",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-username-headers": "X-Remote-User",
        "secure-port": str(API_PORT),
        "service-account-issuer": f"https://kubernetes.default.svc.{cluster.domain}",
        "service-account-key-file": f"{PKI}/sa.pub",
        "service-account-signing-key-file": f"{PKI}/sa.key",
        "service-cluster-ip-range": ",".join(cluster.service_subnets),
        "tls-cert-file": f"{PKI}/apiserver.crt",
        "tls-private-key-file": f"{PKI}/apiserver.key",
        **dict(table.apiserver_shutdown),
    }
    mounts = (Mount("k8s-certs", str(PKI), str(PKI)), *authority_mounts(context))
    if table.apiserver_insecure_port:
        flags["insecure-port"] = "0"
    if cluster.encryption_at_rest:
        folder = str(ENCRYPTION_CONFIG.parent)
        flags["encryption-provider-config"] = str(ENCRYPTION_CONFIG)
        mounts += (Mount("encryption", folder, folder),)
    return Component(
        name="kube-apiserver",
        image=context.image("kube-apiserver"),
        args=arguments(flags),
        port=API_PORT,
        liveness=HttpCheck("/livez", node.address),
        startup=HttpCheck("/livez", node.address),
        readiness=HttpCheck("/readyz", node.address),
        mounts=mounts,
        requests=(("cpu", "250m"),),
        annotations=(("kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint", host_port(node.address)),),
    )
