"""A host's desired state: everything that shall be so, in the order in which it can become so. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kubefort.kubeadm.addresses import local_api
from kubefort.kubeadm.certificates import certificates
from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS
from kubefort.model.spec import NodeSpec, Stage
from kubefort.paths import ETCD_DATA, KUBERNETES, PKI

from kubefort_agent.components import Context, component
from kubefort_agent.components.apiserver import ENCRYPTION_CONFIG
from kubefort_agent.components.kubelet import kubelet
from kubefort_agent.components.probes import Probe, probes
from kubefort_agent.components.runtime import pod_network, runtime
from kubefort_agent.components.vip_config import VipConfig
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.resources import (
    Binary,
    CertificateFiles,
    Folder,
    Image,
    Kubeconfig,
    Masquerade,
    Module,
    NoSwap,
    Resource,
    Route,
    Secret,
    Sysctl,
    Unit,
)
from kubefort_agent.resources.secret import KEPT
from kubefort_agent.runmodes import run

__all__ = ["Probe", "probes", "resources"]

MODULES = ("overlay", "br_netfilter")
VIP_UNIT = "kubefort-vip.service"
DOCKER_UNIT = "docker.service"

# With the authorities' keys, as kubeadm has it: a host that was off for a year signs its certificates anew by itself.
CONTROL_PLANE_SECRETS = (
    ("pki/ca.crt", 0o644),
    ("pki/ca.key", 0o600),
    ("pki/front-proxy-ca.crt", 0o644),
    ("pki/front-proxy-ca.key", 0o600),
    ("pki/etcd/ca.crt", 0o644),
    ("pki/etcd/ca.key", 0o600),
    ("pki/sa.key", 0o600),
    ("pki/sa.pub", 0o644),
)


def resources(spec: NodeSpec, facts: HostFacts) -> tuple[Resource, ...]:
    """All resources of the host at the spec's stage. Raises InvalidInput where the spec is not complete."""
    context = Context(spec, facts)
    stages: tuple[tuple[Stage, Callable[[Context], Iterator[Resource]]], ...] = (
        ("prepared", _prepared),
        ("etcd", _etcd),
        ("control-plane", _control_plane),
        ("node", _node),
    )
    return tuple(resource for stage, make in stages if spec.reaches(stage) for resource in make(context))


def _prepared(context: Context) -> Iterator[Resource]:
    spec = context.spec
    context = context.at("node")
    yield NoSwap()
    yield from (Module(name) for name in MODULES)
    yield from (Sysctl(name, "1") for name in _sysctls(spec))
    yield from runtime(context)
    images, binaries = _artifacts(spec)
    yield from images
    yield from binaries
    yield from (binary.link for binary in binaries if binary.version == context.spec.cluster.kubernetes_version)
    yield from pod_network(context)


def _artifacts(spec: NodeSpec) -> tuple[tuple[Image, ...], tuple[Binary, ...]]:
    """Of the version that is there, and of the one that is to come: so that none is waited for when its turn comes."""
    releases = [(spec.cluster.kubernetes_version, spec.artifacts)]
    if spec.upgrade is not None:
        releases.append((spec.upgrade.version, spec.upgrade.artifacts))
    images = [Image(artifact) for _, artifacts in releases for artifact in artifacts if artifact.kind == "image"]
    binaries = [Binary(each, version) for version, artifacts in releases for each in artifacts if each.kind == "binary"]
    return tuple({image.key: image for image in images}.values()), tuple(binaries)


def _sysctls(spec: NodeSpec) -> Iterator[str]:
    yield "net.ipv4.ip_forward"
    yield "net.bridge.bridge-nf-call-iptables"
    yield "net.bridge.bridge-nf-call-ip6tables"
    if any(":" in subnet for subnet in spec.cluster.pod_subnets):
        yield "net.ipv6.conf.all.forwarding"


def _etcd(context: Context) -> Iterator[Resource]:
    if not context.spec.is_control_plane:
        return
    yield Folder(PKI, 0o755)
    yield from (Secret(KUBERNETES / name, name, mode) for name, mode in CONTROL_PLANE_SECRETS)
    if context.spec.cluster.encryption_at_rest:
        yield Secret(ENCRYPTION_CONFIG, "encryption-config")
    yield from _identities(context.at("api-server"))
    yield Folder(ETCD_DATA, 0o700)
    yield from kubelet(context.at("node"))
    if any(context.spec.cluster.component(name).run_mode == "docker" for name in CONTROL_PLANE_COMPONENTS):
        yield Unit(DOCKER_UNIT, "", late=True)
    if context.spec.etcd is not None or context.spec.reaches("control-plane"):
        yield from _run("etcd", context.at("etcd"))


def _identities(context: Context) -> Iterator[Resource]:
    """Certificates and kubeconfigs but kubelet's. super-admin.conf, the way past RBAC, is the first host's only."""
    spec, algorithm = context.spec, context.spec.cluster.key_algorithm
    first = spec.etcd is not None and spec.etcd.initial_cluster_state == "new"
    for certificate in certificates(spec.cluster, spec.node, spec.peers):
        if certificate.name == "kubelet" or (certificate.name == "super-admin.conf" and not first):
            continue
        if certificate.kubeconfig is None:
            yield CertificateFiles(certificate, algorithm)
        else:
            yield Kubeconfig(certificate, algorithm, local_api(spec.node), spec.cluster.name, PKI / "ca.crt")


def _control_plane(context: Context) -> Iterator[Resource]:
    if context.spec.is_control_plane:
        for name in CONTROL_PLANE_COMPONENTS[1:]:
            yield from _run(name, context.at("api-server" if name == "kube-apiserver" else "controllers"))


def _run(name: str, context: Context) -> tuple[Resource, ...]:
    return run(component(name, context), context.spec.cluster.component(name).run_mode, context)


def _node(context: Context) -> Iterator[Resource]:
    spec = context.spec
    if not spec.is_control_plane:
        yield Secret(PKI / "ca.crt", "pki/ca.crt", 0o644)
        yield from kubelet(context.at("node"))
    if spec.cluster.pod_network == "routed":
        for peer in spec.peers:
            yield from (Route(cidr, peer.address) for cidr in peer.pod_cidrs if _same_family(cidr, peer.address))
        yield Masquerade(spec.cluster.pod_subnets)
    if spec.is_control_plane and spec.cluster.vip is not None:
        yield from (Secret(KEPT / f"{key.secret}", key.secret) for key in spec.vip_keys)
        yield VipConfig(spec)
        yield Unit(VIP_UNIT, "")


def _same_family(network: str, address: str) -> bool:
    return (":" in network) == (":" in address)
