"""From cluster.yaml and flags to the cluster that `kfctl init` asks for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

import msgspec
from kubefort.clusterfile import ClusterFile
from kubefort.clusterrules import validate
from kubefort.errors import InvalidInput
from kubefort.model.cluster import Cluster, VirtualIP


class Flags(Protocol):
    """What of a cluster can be said by flags; empty: not said."""

    @property
    def vip(self) -> str: ...

    @property
    def kubernetes_version(self) -> str: ...

    @property
    def pod_subnets(self) -> tuple[str, ...]: ...

    @property
    def service_subnets(self) -> tuple[str, ...]: ...


def _order(version: str) -> tuple[int, ...]:
    """v1.36.2 after v1.36.0-rc.1 after v1.9.0."""
    core, _, pre = version.lstrip("v").partition("-")
    return (*(int(part) for part in re.findall(r"\d+", core)), 0 if pre else 1, *map(int, re.findall(r"\d+", pre)))


def newest(versions: Iterable[str]) -> str:
    """The newest of some versions, "" where there is none."""
    return max(versions, key=_order, default="")


def wished_cluster(flags: Flags, file: ClusterFile, bundles: list[str]) -> tuple[Cluster, list[str]]:
    """The cluster with flags over file over defaults, and warnings; raises InvalidInput where that makes no sense.

    `bundles`: versions at hand. The newest one is taken where none is asked for.
    """
    version = flags.kubernetes_version or file.kubernetes_version or newest(bundles)
    if version and not version.startswith("v"):
        version = f"v{version}"
    if version not in bundles:
        at_hand = f"at hand are {', '.join(sorted(set(bundles), key=_order))}" if bundles else "there is none yet"
        wanted = (
            f"there is no bundle of Kubernetes {version}; {at_hand}" if version else "no bundle of Kubernetes is given"
        )
        raise InvalidInput(
            wanted, f"give its folder: --bundle FOLDER (made by `kfctl bundle create {version or 'v1.36.2'}`)"
        )
    cluster = file.cluster()
    vip = cluster.vip
    if flags.vip:
        vip = msgspec.structs.replace(vip, address=flags.vip) if vip else VirtualIP(address=flags.vip)
    cluster = msgspec.structs.replace(
        cluster,
        kubernetes_version=version,
        vip=vip,
        pod_subnets=flags.pod_subnets or cluster.pod_subnets,
        service_subnets=flags.service_subnets or cluster.service_subnets,
    )
    found = validate(cluster, file.hosts)
    errors = [str(problem) for problem in found if problem.severity == "error"]
    if errors:
        raise InvalidInput("\n".join(errors), "the names are those of cluster.yaml, see `kfctl config print-defaults`")
    return cluster, [str(problem) for problem in found if problem.severity == "warning"]


def differences(one: Cluster, other: Cluster) -> list[str]:
    """Names (as in cluster.yaml) of the settings in which two clusters differ; an endpoint that is "" is not known."""
    left, right = msgspec.to_builtins(one), msgspec.to_builtins(other)
    names = sorted(name for name in {*left, *right} if left.get(name) != right.get(name))
    return [name for name in names if name != "endpoint" or (one.endpoint and other.endpoint)]
