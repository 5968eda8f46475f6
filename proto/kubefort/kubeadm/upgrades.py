"""Which version may follow which, and what the new one no longer knows. Pure.

Sources: kubernetes.io/releases/version-skew-policy, and the flags' removal in Kubernetes' change logs; a flag whose
removal we have not dated stands at the oldest minor that was seen to refuse it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil

from kubefort.errors import InvalidInput
from kubefort.kubeadm.versions import NEWEST, Version, rules
from kubefort.model.cluster import Cluster

REMOVED_FLAGS: Mapping[str, Mapping[str, int]] = {
    # component → flag → the minor that ends at once when it is given
    "kube-apiserver": {
        "insecure-port": 24,
        "insecure-bind-address": 24,
        "kubelet-https": 24,
        "logtostderr": 26,
        "cloud-config": 36,
        "cloud-provider": 36,
    },
    "kube-controller-manager": {
        "port": 24,
        "address": 24,
        "experimental-cluster-signing-duration": 25,
        "logtostderr": 26,
        "enable-taint-manager": 27,
        "pod-eviction-timeout": 27,
    },
    "kube-scheduler": {
        "policy-config-file": 23,
        "algorithm-provider": 23,
        "port": 24,
        "address": 24,
        "logtostderr": 26,
    },
    "kubelet": {"network-plugin": 24, "container-runtime": 27, "pod-infra-container-image": 35},
    "kube-proxy": {"port": 36, "cleanup-ipvs": 36},
}


def order(version: Version) -> tuple[int, int, bool, tuple[tuple[bool, int, str], ...]]:
    """Sorts versions: v1.36.0-rc.2 before v1.36.0-rc.10 before v1.36.0 before v1.36.1."""
    parts = version.suffix.lstrip("-+").replace("+", ".").split(".") if version.suffix else []
    key = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
    return version.minor, version.patch, not version.suffix.startswith("-"), key


def obstacle(current: Version, target: Version, kubelets: Iterable[tuple[str, Version]] = ()) -> str:
    """Why a control plane at `current` may not go to `target`, "" where it may. `kubelets`: host's name, version."""
    if order(target) < order(current):
        return f"{target} is older than {current}, and a cluster's data are not made for going back"
    if target.minor > current.minor + 1:
        return f"from {current} to {target} are {target.minor - current.minor} minor versions: one at a time"
    skew = rules(target).kubelet_skew
    for host, version in kubelets:
        if (version.minor, version.patch) > (target.minor, target.patch):
            return f"the kubelet of {host} has {version}, and none may be newer than its API server"
        if target.minor - version.minor > skew:
            return f"the kubelet of {host} has {version}, and API servers of {target} serve at most {skew} minors back"
    return ""


def removed_flags(cluster: Cluster, target: Version) -> tuple[tuple[str, str], ...]:
    """(component, flag) of extra arguments with which the component would not start in `target`."""
    return tuple(
        (component, flag)
        for component, flags in REMOVED_FLAGS.items()
        for flag, minor in flags.items()
        if target.minor >= minor and flag in cluster.component(component).extra_args
    )


def at_once(text: str, hosts: int) -> int:
    """How many of so many hosts may be away: "2", or "25%" rounded up; at least one. Raises InvalidInput."""
    number, per_cent = text.strip().removesuffix("%"), text.strip().endswith("%")
    if not number.isdigit() or int(number) < 1 or (per_cent and int(number) > 100):
        raise InvalidInput(f"{text!r} is no number of hosts", "write it like 1, 3 or 25%")
    return min(max(hosts, 1), ceil(hosts * int(number) / 100) or 1 if per_cent else int(number))


def batches(hosts: Iterable[str], max_unavailable: str) -> tuple[tuple[str, ...], ...]:
    """Hosts in groups of as many as may be away at once, in the order given. Raises InvalidInput."""
    names = tuple(hosts)
    size = at_once(max_unavailable, len(names))
    return tuple(names[start : start + size] for start in range(0, len(names), size))


def beyond_table(target: Version) -> str:
    """A warning for a minor that is newer than all we know."""
    if not rules(target).beyond_table:
        return ""
    return f"{target} is newer than all that this Kubefort knows (1.{NEWEST}): it is treated like 1.{NEWEST}"
