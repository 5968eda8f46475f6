"""The real kubeadm understands a host that we made: the coordinator signs, the agent writes, kubeadm reads."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from kubefort.kubeadm.certificates import certificate, certificates
from kubefort.model.spec import Artifact, NodeSpec
from kubefort_agent import desired
from kubefort_agent.host import Host
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.resources import CertificateFiles, Kubeconfig, Secret
from kubefort_coordinator.pki import Pki

from tests.conformance.stock import Stock
from tests.lab.artifacts import programs
from tests.lab.shell import run


class Supplies:
    """The coordinator's answers without the wire between."""

    def __init__(self, spec: NodeSpec, pki: Pki) -> None:
        self._spec, self._pki = spec, pki

    async def secret(self, name: str) -> bytes:
        return self._pki.secret(name)

    async def sign(self, name: str, request: str) -> str:
        wanted = certificate(name, self._spec.cluster, self._spec.node, self._spec.peers)
        assert wanted is not None
        return self._pki.cluster(wanted.authority).sign(
            request,
            wanted.common_name,
            wanted.organizations,
            usages=wanted.usages,
            dns_names=wanted.dns_names,
            ip_addresses=wanted.ip_addresses,
        )

    async def artifact(self, artifact: Artifact) -> Path:
        raise AssertionError(f"nobody needs {artifact.name} here")

    def forget(self, artifact: Artifact) -> None:
        pass


@pytest.fixture
def root(spec: NodeSpec, facts: HostFacts, tmp_path: Path) -> Path:
    """A host's files: secrets, certificates, kubeconfigs."""
    place = tmp_path / "host"
    (place / "tmp").mkdir(parents=True)
    host = Host(root=place, supplies=Supplies(spec, Pki(tmp_path / "coordinator")))

    async def make() -> None:
        for resource in desired.resources(spec, facts):
            if isinstance(resource, Secret | CertificateFiles | Kubeconfig):
                await resource.apply(host)
                assert await resource.diff(host) == ()

    asyncio.run(make())
    return place


# kubeadm wants an interface with an address, and to be told at once that no API server answers there.
ALONE = 'ip link add eth0 type veth peer eth1 && ip addr add 10.30.0.11/24 dev eth0 && ip link set eth0 up && exec "$@"'


def kubeadm(version: str, root: Path, *arguments: str) -> str:
    """Run kubeadm on the host's files, in a network of its own; without a cluster it goes by the files alone."""
    program = programs(version) / "kubeadm"
    alone = ("unshare", "--net", "sh", "-c", f"ip link set lo up && {ALONE}", "sh")
    return run(*alone, program, *arguments, "--rootfs", root, timeout=120)


def test_check_expiration(theirs: Stock, spec: NodeSpec, root: Path) -> None:
    said = kubeadm(theirs.version, root, "certs", "check-expiration")
    assert "!MISSING!" not in said
    left = dict(re.findall(r"^([a-z][\w.-]*) +\w+ \d+, \d+ [\d:]+ UTC +(\w+)", said, re.MULTILINE))
    ours = {c.name.replace("/", "-") for c in certificates(spec.cluster, spec.node) if c.name != "kubelet"}
    assert set(left) == ours | {"ca", "etcd-ca", "front-proxy-ca"}
    assert {left[name] for name in ours} == {"364d"}


def test_kubeadm_renews_what_the_hosts_own_authority_signs(theirs: Stock, root: Path) -> None:
    before = (root / "etc/kubernetes/pki/apiserver.crt").read_bytes()
    kubeadm(theirs.version, root, "certs", "renew", "apiserver")
    assert (root / "etc/kubernetes/pki/apiserver.crt").read_bytes() != before
