"""kube-controller-manager (cmd/kubeadm/app/phases/controlplane/manifests.go, getControllerManagerCommand)."""

from __future__ import annotations

from pathlib import Path

from kubefort.paths import KUBERNETES, PKI

from kubefort_agent.components.authorities import authority_mounts
from kubefort_agent.components.component import Component, Context, HttpCheck, Mount, arguments

PORT = 10257
KUBECONFIG = f"{KUBERNETES}/controller-manager.conf"
_FLEXVOLUMES = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec"


def controller_manager(context: Context) -> Component:
    """The host's controller manager. With routed pods the coordinator gives nodes their pod CIDRs, so this does not."""
    cluster, table = context.spec.cluster, context.rules
    flags = {
        "allocate-node-cidrs": "false" if cluster.pod_network == "routed" else "true",
        "authentication-kubeconfig": KUBECONFIG,
        "authorization-kubeconfig": KUBECONFIG,
        "bind-address": "127.0.0.1",
        "client-ca-file": f"{PKI}/ca.crt",
        "cluster-cidr": ",".join(cluster.pod_subnets),
        "cluster-name": cluster.name,
        "cluster-signing-cert-file": f"{PKI}/ca.crt",
        "cluster-signing-key-file": f"{PKI}/ca.key",
        "controllers": "*,bootstrapsigner,tokencleaner",
        "kubeconfig": KUBECONFIG,
        "leader-elect": "true",
        "requestheader-client-ca-file": f"{PKI}/front-proxy-ca.crt",
        "root-ca-file": f"{PKI}/ca.crt",
        "service-account-private-key-file": f"{PKI}/sa.key",
        "service-cluster-ip-range": ",".join(cluster.service_subnets),
        "use-service-account-credentials": "true",
    }
    if table.scheduler_port:
        flags["port"] = "0"
    mounts = [
        Mount("k8s-certs", str(PKI), str(PKI)),
        Mount("kubeconfig", KUBECONFIG, KUBECONFIG, kind="FileOrCreate"),
        *authority_mounts(context),
    ]
    if table.flexvolume_mount:
        mounts.append(Mount("flexvolume-dir", _FLEXVOLUMES, _FLEXVOLUMES, read_only=False))
    return Component(
        name="kube-controller-manager",
        image=context.image("kube-controller-manager"),
        args=arguments(flags),
        port=PORT,
        liveness=HttpCheck("/healthz"),
        startup=HttpCheck("/healthz"),
        mounts=tuple(mounts),
        requests=(("cpu", "200m"),),
        read_at_start=(Path(KUBECONFIG),),
    )
