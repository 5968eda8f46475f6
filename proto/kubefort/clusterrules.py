"""What a cluster's settings must mean beyond their shape. kfctl asks before it sends, the coordinator before it acts.

Limits are those of kube-apiserver 1.36 (`--service-cluster-ip-range`: at most 20 bits of addresses), of kubeadm (at
least 10 Service addresses; a node's pod subnet is a /24 or /64), of RFC 1123 names, and of RFC 9568 (VRRP).
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from kubefort.errors import InvalidInput
from kubefort.kubeadm.versions import NEWEST, parse
from kubefort.model.cluster import CONTROL_PLANE, Cluster, ComponentSettings, HostEntry, Taint, VirtualIP

NODE_PREFIX = {4: 24, 6: 64}
COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "coredns",
    "haproxy",
    "nginx",
)

RUN_MODES = ("static-pod",)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Problem:
    """A mistake at `path` such as hosts[2].role; `at_key`: the key itself is what is wrong."""

    path: str
    message: str
    severity: Literal["error", "warning"] = "error"
    at_key: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def is_name(text: str) -> bool:
    """Whether `text` is an RFC 1123 subdomain: labels of lower-case letters, digits and '-', joined by dots."""
    return 0 < len(text) <= 253 and all(_LABEL.fullmatch(part) for part in text.split("."))


def address(text: str) -> Address | None:
    """The IP address that `text` is, or None."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def validate(cluster: Cluster, hosts: Iterable[HostEntry] = ()) -> list[Problem]:
    """All mistakes in a cluster's settings and its hosts' entries; paths as in cluster.yaml."""
    hosts = tuple(hosts)
    pods, pod_problems = _subnets("podSubnets", cluster.pod_subnets)
    services, service_problems = _subnets("serviceSubnets", cluster.service_subnets)
    found = list(_version(cluster.kubernetes_version))
    if not _LABEL.fullmatch(cluster.name):
        found.append(Problem("name", f'"{cluster.name}" must be lower-case letters, digits and "-", at most 63'))
    if not is_name(cluster.domain):
        found.append(Problem("domain", f'"{cluster.domain}" is not a DNS domain'))
    found += _endpoint(cluster.endpoint)
    if cluster.vip is not None:
        found += _vip(cluster.vip, hosts)
    found += pod_problems + service_problems
    found += _sizes(pods, services, len(hosts))
    found += _overlaps(pods, services)
    found += _outside(cluster, hosts, {**pods, **services})
    found += _pod_network(cluster)
    found += _sans(cluster.cert_sans)
    for name, settings in cluster.components.items():
        found += _component(name, settings)
    found += _hosts(hosts)
    return found


def _version(text: str) -> Iterator[Problem]:
    try:
        version = parse(text)
    except InvalidInput as error:
        yield Problem("kubernetesVersion", f"{error.message}; {error.hint}")
        return
    if not text.startswith("v"):
        yield Problem("kubernetesVersion", f'"{text}" needs a v before it: v{text}')
    elif version.minor > NEWEST:
        yield Problem(
            "kubernetesVersion", f"{text} is newer than what is known (1.{NEWEST}); its rules are taken", "warning"
        )


def _endpoint(endpoint: str) -> Iterator[Problem]:
    if not endpoint:
        return
    host, colon, port = endpoint.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    literal = address(bare)
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        yield Problem(
            "endpoint", f'"{endpoint}" must be host:port, for example {endpoint.strip(":") or "api.example"}:6443'
        )
    elif (literal is not None and literal.version == 6) != (bare != host):
        yield Problem("endpoint", f'"{endpoint}": an IPv6 address, and only that, stands in brackets: [fd00::1]:6443')
    elif literal is None and not is_name(bare):
        yield Problem("endpoint", f'"{host}" is neither an IP address nor a DNS name')


def _vip(vip: VirtualIP, hosts: Sequence[HostEntry]) -> Iterator[Problem]:
    parsed = address(vip.address)
    if parsed is None:
        yield Problem("vip.address", f'"{vip.address}" is not an IP address')
    elif not _usable(parsed):
        yield Problem("vip.address", f"{vip.address} cannot be an address of a host")
    for host in hosts:
        if parsed is not None and address(host.address) == parsed:
            yield Problem("vip.address", f"{vip.address} is the address of host {host.name}; take one that nobody has")
    if not 1 <= vip.vrid <= 255:
        yield Problem("vip.vrid", f"{vip.vrid} is not within 1 to 255")
    if not 10 <= vip.interval_ms <= 40950 or vip.interval_ms % 10:
        yield Problem("vip.intervalMs", f"{vip.interval_ms} is not a multiple of 10 within 10 to 40950")
    if vip.interface and not re.fullmatch(r"[^\s/:]{1,15}", vip.interface):
        yield Problem("vip.interface", f'"{vip.interface}" is not an interface\'s name')


def _usable(parsed: Address) -> bool:
    return not (parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast or parsed.is_link_local)


def _subnets(path: str, texts: Sequence[str]) -> tuple[dict[str, Network], list[Problem]]:
    found: list[Problem] = []
    networks: dict[str, Network] = {}
    for number, text in enumerate(texts):
        here = f"{path}[{number}]"
        try:
            loose = ipaddress.ip_network(text, strict=False)
        except ValueError:
            found.append(Problem(here, f'"{text}" is not a subnet like 10.244.0.0/16'))
            continue
        if "/" not in text:
            found.append(Problem(here, f'"{text}" has no prefix length, such as /16'))
        elif ipaddress.ip_address(text.split("/")[0]) != loose.network_address:
            found.append(Problem(here, f'"{text}" has bits set behind its prefix; you may mean {loose}'))
        else:
            networks[here] = loose
    if not texts:
        found.append(Problem(path, "at least one subnet is needed"))
    elif len(texts) > 2 or (len(networks) == 2 and len({n.version for n in networks.values()}) == 1):
        found.append(Problem(path, "at most one IPv4 and one IPv6 subnet"))
    return networks, found


def _sizes(pods: dict[str, Network], services: dict[str, Network], hosts: int) -> Iterator[Problem]:
    for path, network in pods.items():
        bits = NODE_PREFIX[network.version] - network.prefixlen
        if bits < 0 or 2**bits < max(hosts, 1):
            need = f"a /{NODE_PREFIX[network.version]} for each of {max(hosts, 1)} hosts"
            yield Problem(path, f"{network} is too small: {need}")
        elif bits > 16:
            widest = NODE_PREFIX[network.version] - 16
            yield Problem(path, f"{network} is too large: kube-controller-manager takes at most a /{widest}")
    for path, network in services.items():
        bits = network.max_prefixlen - network.prefixlen
        if bits < 4:
            yield Problem(path, f"{network} is too small: at least 16 addresses (DNS has the tenth)")
        elif bits > 20:
            yield Problem(path, f"{network} is too large: kube-apiserver takes at most a /{network.max_prefixlen - 20}")
    families = [{n.version for n in networks.values()} for networks in (pods, services)]
    if families[0] and families[1] and families[0] != families[1]:
        yield Problem("serviceSubnets", "pods and Services need subnets of the same families (IPv4, IPv6 or both)")


def _overlaps(pods: dict[str, Network], services: dict[str, Network]) -> Iterator[Problem]:
    for path, service in services.items():
        for other, pod in pods.items():
            if service.version == pod.version and service.overlaps(pod):
                yield Problem(path, f"{service} overlaps {other}, which is {pod}")


def _outside(cluster: Cluster, hosts: Sequence[HostEntry], networks: dict[str, Network]) -> Iterator[Problem]:
    named = [("vip.address", cluster.vip.address)] if cluster.vip else []
    host, _, _ = cluster.endpoint.rpartition(":")
    named += [("endpoint", host.strip("[]"))]
    named += [(f"hosts[{number}].address", each.address) for number, each in enumerate(hosts)]
    for path, text in named:
        parsed = address(text)
        for other, network in networks.items():
            if parsed is not None and parsed in network:
                yield Problem(path, f"{text} lies inside {other}, which is {network}: take other subnets")


def _pod_network(cluster: Cluster) -> Iterator[Problem]:
    if cluster.pod_network == "manifest" and not cluster.pod_network_manifests:
        yield Problem("podNetwork", "manifest needs podNetworkManifests: files that are applied in order")
    if cluster.pod_network == "routed" and cluster.pod_network_manifests:
        yield Problem("podNetworkManifests", "not used: podNetwork is routed", "warning")


def _sans(sans: Sequence[str]) -> Iterator[Problem]:
    for number, san in enumerate(sans):
        if address(san) is None and not is_name(san.removeprefix("*.")):
            yield Problem(f"certSans[{number}]", f'"{san}" is neither an IP address nor a DNS name')


def _component(name: str, settings: ComponentSettings) -> Iterator[Problem]:
    path = f"components.{name}"
    if name not in COMPONENTS:
        yield Problem(path, f"no such component; known are {', '.join(COMPONENTS)}", at_key=True)
    if settings.run_mode not in RUN_MODES:
        yield Problem(f"{path}.runMode", f"{settings.run_mode} is not available yet; take {', '.join(RUN_MODES)}")
    for flag in settings.extra_args:
        if not re.fullmatch(r"[a-z0-9][A-Za-z0-9-]*", flag):
            yield Problem(f"{path}.extraArgs", f'"{flag}" must be a flag without leading dashes')
    volumes = settings.extra_volumes
    for number, volume in enumerate(volumes):
        here = f"{path}.extraVolumes[{number}]"
        if not _LABEL.fullmatch(volume.name):
            yield Problem(f"{here}.name", f'"{volume.name}" must be lower-case letters, digits and "-"')
        for key, value in (("hostPath", volume.host_path), ("mountPath", volume.mount_path)):
            if not value.startswith("/") or ".." in value.split("/") or ":" in value:
                yield Problem(f"{here}.{key}", f'"{value}" must be an absolute path without ".." and ":"')
    for twice, _ in (item for item in Counter(v.name for v in volumes).items() if item[1] > 1):
        yield Problem(f"{path}.extraVolumes", f"two volumes are named {twice}")


def _key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return bool(_LABEL_NAME.fullmatch(name)) and (not slash or is_name(prefix))


def _hosts(hosts: Sequence[HostEntry]) -> Iterator[Problem]:
    for number, host in enumerate(hosts):
        path = f"hosts[{number}]"
        if not is_name(host.name):
            lower = host.name.lower()
            mend = f"; write {lower}" if is_name(lower) else ": lower-case letters, digits, '-' and dots"
            yield Problem(f"{path}.name", f'"{host.name}" is not a valid host name{mend}')
        parsed = address(host.address)
        if host.address and (parsed is None or not _usable(parsed)):
            yield Problem(f"{path}.address", f'"{host.address}" is not an address that other hosts can reach')
        for key, value in host.labels.items():
            if not _key(key) or (value and not _LABEL_NAME.fullmatch(value)):
                yield Problem(f"{path}.labels", f'"{key}={value}" is not a valid label')
        yield from _taints(path, host.taints)
    yield from _together(hosts)


def _taints(path: str, taints: Sequence[Taint]) -> Iterator[Problem]:
    for index, taint in enumerate(taints):
        if not _key(taint.key) or (taint.value and not _LABEL_NAME.fullmatch(taint.value)):
            yield Problem(f"{path}.taints[{index}]", f'"{taint.key}={taint.value}" is not a valid taint')


def _together(hosts: Sequence[HostEntry]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number, host in enumerate(hosts):
        parsed = address(host.address)
        for key, value in (("name", host.name.lower()), ("address", str(parsed) if parsed else "")):
            earlier = first.setdefault(f"{key} {value}", number) if value else number
            if earlier != number:
                yield Problem(f"hosts[{number}].{key}", f"{value} is the {key} of hosts[{earlier}] as well")
    planes = sum(host.role == CONTROL_PLANE for host in hosts)
    if hosts and not planes:
        yield Problem("hosts", "no host has the role control-plane")
    elif planes and planes % 2 == 0:
        yield Problem("hosts", f"{planes} control-plane hosts survive no more failures than {planes - 1}", "warning")
