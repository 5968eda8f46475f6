"""etcd, one member per control-plane host (cmd/kubeadm/app/phases/etcd/local.go)."""

from __future__ import annotations

from kubefort.errors import InvalidInput
from kubefort.kubeadm.addresses import host_port
from kubefort.paths import ETCD_DATA, PKI

from kubefort_agent.components.component import Component, Context, HttpCheck, Mount, arguments

CLIENT_PORT = 2379
PEER_PORT = 2380
METRICS_PORT = 2381


def etcd(context: Context) -> Component:
    """The host's member."""
    spec, table = context.spec, context.rules
    node, pki = spec.node, PKI / "etcd"
    loopback = "::1" if ":" in node.address else "127.0.0.1"
    client_url = f"https://{host_port(node.address, CLIENT_PORT)}"
    peer_url = f"https://{host_port(node.address, PEER_PORT)}"
    flags = {
        "advertise-client-urls": client_url,
        "cert-file": f"{pki}/server.crt",
        "client-cert-auth": "true",
        "data-dir": str(ETCD_DATA),
        "initial-advertise-peer-urls": peer_url,
        "key-file": f"{pki}/server.key",
        "listen-client-urls": f"https://{host_port(loopback, CLIENT_PORT)},{client_url}",
        "listen-metrics-urls": f"http://{host_port(loopback, METRICS_PORT)}",
        "listen-peer-urls": peer_url,
        "name": node.name,
        "peer-cert-file": f"{pki}/peer.crt",
        "peer-client-cert-auth": "true",
        "peer-key-file": f"{pki}/peer.key",
        "peer-trusted-ca-file": f"{pki}/ca.crt",
        "trusted-ca-file": f"{pki}/ca.crt",
        **_membership(context),
        **dict(table.etcd_flags),
    }
    requests = [("cpu", "100m"), ("memory", "100Mi")]
    if table.etcd_ephemeral_storage:
        requests.insert(1, ("ephemeral-storage", "100Mi"))

    def check(path: str) -> HttpCheck:
        return HttpCheck(path, loopback, "HTTP")

    return Component(
        name="etcd",
        image=context.image("etcd"),
        args=arguments(flags),
        port=METRICS_PORT,
        liveness=check(table.etcd_liveness_path),
        startup=check(table.etcd_startup_path),
        readiness=check(table.etcd_readiness_path) if table.etcd_readiness_path else None,
        mounts=(
            Mount("etcd-data", str(ETCD_DATA), str(ETCD_DATA), read_only=False),
            Mount("etcd-certs", str(pki), str(pki), read_only=False),
        ),
        requests=tuple(requests),
        other_ports=(CLIENT_PORT, PEER_PORT),
        exclusive=True,
        annotations=(("kubeadm.kubernetes.io/etcd.advertise-client-urls", client_url),),
    )


def _membership(context: Context) -> dict[str, str]:
    membership = context.spec.etcd
    if membership is None:
        raise InvalidInput(f"the spec of {context.spec.node.name} says nothing about its etcd member")
    members = ",".join(f"{name}={url}" for name, url in membership.initial_cluster)
    if membership.initial_cluster_state == "existing":
        return {"initial-cluster": members, "initial-cluster-state": "existing"}
    return {"initial-cluster": members}
