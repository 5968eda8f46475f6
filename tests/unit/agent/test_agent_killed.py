"""The agent is killed again and again, before and after files that it puts in place: the host ends up the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from kubefort.model.spec import Artifact
from kubefort_agent.host import Host
from kubefort_agent.resources import (
    Binary,
    CertificateFiles,
    File,
    Folder,
    Image,
    Kubeconfig,
    Link,
    Resource,
    Secret,
    StaticPod,
    Sysctl,
    Unit,
)

from tests.unit.agent.life import SPEC, Life, Wanted, stage
from tests.unit.agent.test_resource_certificates import ADMIN, AUTHORITY, CLIENT, KUBELET, Signer

BODY = b"#!/bin/sh\n"
PAUSE = Artifact("image", "pause", "d" * 64, 1, "registry.k8s.io/pause:3.10")


class Killed(BaseException):
    """What nothing catches, as nothing catches SIGKILL."""


class Coordinator(Signer):
    folder = Path()

    async def secret(self, name: str) -> bytes:
        return b"secret"

    async def artifact(self, artifact: Artifact) -> Path:
        file = self.folder / artifact.name
        file.write_bytes(BODY if artifact.kind == "binary" else artifact.ref.encode())
        return file

    def forget(self, artifact: Artifact) -> None:
        pass


def wanted() -> tuple[Resource, ...]:
    crictl = Binary(Artifact("binary", "crictl", hashlib.sha256(BODY).hexdigest(), len(BODY)), "v1.36.2")
    config = Path("/var/lib/kubelet/config.yaml")
    return (
        Folder(Path("/etc/kubernetes/manifests"), 0o755),
        Sysctl("net.ipv4.ip_forward", "1"),
        Image(PAUSE),
        crictl,
        crictl.link,
        Link(Path("/etc/cni/link"), "/etc/cni/net.d"),
        Secret(Path("/etc/kubernetes/pki/sa.key"), "pki/sa.key"),
        CertificateFiles(CLIENT, "ECDSA-P256"),
        CertificateFiles(KUBELET, "ECDSA-P256"),
        Kubeconfig(ADMIN, "ECDSA-P256", "https://192.0.2.1:6443", "kubernetes", AUTHORITY),
        File(config, b"ours\n", unit="kubelet.service"),
        Unit("kubelet.service", "[Service]\n", read_at_start=(config,)),
        StaticPod("kube-scheduler", b"- --leader-elect=true\n"),
    )


@pytest.fixture
def ready(host: Host, tmp_path: Path) -> Host:
    coordinator = Coordinator(CLIENT, ADMIN, KUBELET)
    coordinator.folder = tmp_path
    host.supplies = coordinator
    host.path(AUTHORITY).parent.mkdir(parents=True)
    host.path(AUTHORITY).write_bytes(coordinator.certificate)
    host.path("/proc/sys/net/ipv4/ip_forward").write_text("0\n")
    return host


def files_of(host: Host) -> set[str]:
    found = {str(path.relative_to(host.root)) for path in host.root.rglob("*") if path.is_file() or path.is_symlink()}
    return {name for name in found if "kubelet-client-2" not in name}


async def lives_until_in_sync(host: Host, life: Life, monkeypatch: pytest.MonkeyPatch) -> int:
    """Lives that end before, and lives that end after, the first to third file that they put in place; how many."""
    real: Callable[..., None] = os.replace
    for number in range(400):
        left = 1 + number // 2 % 3

        def replace(source: object, target: object, *, late: bool = bool(number % 2)) -> None:
            nonlocal left
            left -= 1
            if left:
                real(source, target)
                return
            if late:
                real(source, target)
            raise Killed

        monkeypatch.setattr(os, "replace", replace)
        life.start()
        host.verdicts.clear()
        try:
            if await life.cycle() and left > 0:
                return number
        except Killed:
            continue
        finally:
            monkeypatch.setattr(os, "replace", real)
    raise AssertionError("it never ends")


async def test_it_ends_the_same_and_all_of_it_can_be_taken_away(ready: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubefort_agent.host.cleanup.stop", _nothing)
    before = files_of(ready)
    life = Life(ready, Wanted(*wanted()))
    life.reconciler.accept(SPEC, "n1")
    lives = await lives_until_in_sync(ready, life, monkeypatch)
    assert lives >= 10
    for resource in wanted():
        assert await resource.diff(ready) == ()
    assert not [name for name in files_of(ready) if name.endswith(".tmp")]
    life.reconciler.accept(stage(generation=2, stage="absent"), "n1")
    await lives_until_in_sync(ready, life, monkeypatch)
    left = files_of(ready) - before
    assert left <= {"var/lib/kubefort/spec.json", "var/lib/kubefort/owned.json"}, left


async def _nothing(host: Host) -> None:
    return None
