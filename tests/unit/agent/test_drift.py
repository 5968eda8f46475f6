"""Whatever somebody does to a host in sync: the real resources put it right within their time, and say what it was."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubefort.model.spec import Artifact
from kubefort_agent.host import Host, containerd
from kubefort_agent.resources import (
    CertificateFiles,
    File,
    Image,
    Kubeconfig,
    NoSwap,
    Resource,
    Route,
    Secret,
    StaticPod,
    Sysctl,
    Unit,
)

from tests.unit.agent.life import SPEC, Life, Wanted
from tests.unit.agent.test_resource_certificates import ADMIN, AUTHORITY, CLIENT, Signer

if TYPE_CHECKING:
    from tests.unit.agent.conftest import Programs
else:
    Programs = Any

SOON, LATER = 10.0, 60.0
"""Seconds: what files and systemd tell; what another program must be asked for, without a sign of a change."""

CONFIG = Path("/var/lib/kubelet/config.yaml")
UNIT = Unit("kubelet.service", "[Service]\n")
POD = StaticPod("kube-scheduler", b"- --leader-elect=true\n")
PAUSE = Artifact("image", "pause", "d", 1, "registry.k8s.io/pause:3.10")


@dataclass(frozen=True)
class Case:
    name: str
    resources: tuple[Resource, ...]
    meddle: Callable[[Host, Programs], Awaitable[None] | None]
    told: dict[str, str]
    seconds: float = SOON


def systemd(change: Callable[[dict[str, dict[str, str]]], Any]) -> Callable[[Host, Programs], None]:
    """Change the units that the fake systemctl knows."""

    def meddle(host: Host, programs: Programs) -> None:
        file = programs.state / "units.json"
        units = json.loads(file.read_text())
        change(units)
        file.write_text(json.dumps(units))

    return meddle


def edit(path: str | Path, text: str | None) -> Callable[[Host, Programs], None]:
    """Write a file of the host, or (None) delete it."""

    def meddle(host: Host, programs: Programs) -> None:
        place = host.path(path)
        place.unlink() if text is None else place.write_text(text)

    return meddle


RECORDS = f"/{containerd.RECORDS}"


async def removed_image(host: Host, programs: Programs) -> None:
    """As containerd does: its records are written to."""
    await host.containerd.remove_image(PAUSE.ref)
    host.path(RECORDS).write_text("fewer images")


CASES = (
    Case("deleted manifest", (POD,), edit(POD.path, None), {POD.key: f"{POD.path}: is missing"}),
    Case(
        "changed flag",
        (POD,),
        edit(POD.path, "- --leader-elect=false\n"),
        {POD.key: f"{POD.path}: -- --leader-elect=false\n{POD.path}: +- --leader-elect=true"},
    ),
    Case(
        "stopped unit",
        (UNIT,),
        systemd(lambda units: units["kubelet.service"].update(active="inactive")),
        {UNIT.key: "kubelet.service: is inactive, wanted active"},
    ),
    Case(
        "disabled unit",
        (UNIT,),
        systemd(lambda units: units["kubelet.service"].update(file="disabled")),
        {UNIT.key: "kubelet.service: is disabled, wanted enabled"},
    ),
    Case(
        "deleted certificate",
        (CertificateFiles(CLIENT, "ECDSA-P256"),),
        edit("/etc/kubernetes/pki/front.crt", None),
        {"certificate front": "/etc/kubernetes/pki/front.crt: /etc/kubernetes/pki/front.crt is missing"},
    ),
    Case(
        "chmod on a key",
        (CertificateFiles(CLIENT, "ECDSA-P256"),),
        lambda host, programs: host.path("/etc/kubernetes/pki/front.key").chmod(0o644),
        {"certificate front": "/etc/kubernetes/pki/front.key: mode is 0644, wanted 0600"},
    ),
    Case(
        "deleted kubeconfig",
        (Kubeconfig(ADMIN, "ECDSA-P256", "https://192.0.2.1:6443", "kubernetes", AUTHORITY),),
        edit("/etc/kubernetes/admin.conf", None),
        {"kubeconfig admin.conf": "/etc/kubernetes/admin.conf: /etc/kubernetes/admin.conf is missing"},
    ),
    Case(
        "changed secret",
        (Secret(Path("/etc/kubernetes/pki/sa.key"), "pki/sa.key"),),
        edit("/etc/kubernetes/pki/sa.key", "theirs"),
        {"secret /etc/kubernetes/pki/sa.key": "/etc/kubernetes/pki/sa.key: content differs"},
    ),
    Case(
        "lost sysctl",
        (Sysctl("net.ipv4.ip_forward", "1"),),
        edit("/proc/sys/net/ipv4/ip_forward", "0\n"),
        {"sysctl net.ipv4.ip_forward": "sysctl net.ipv4.ip_forward: is 0, wanted 1"},
    ),
    Case(
        "returned swap",
        (NoSwap(),),
        edit("/etc/fstab", "/dev/sdb none swap sw 0 0\n"),
        {"swap": "/etc/fstab: - /dev/sdb none swap sw 0 0"},
    ),
    Case(
        "flushed route",
        (Route("10.244.1.0/24", "192.0.2.2"),),
        edit("/proc/net/route", "Iface\n"),
        {"route 10.244.1.0/24": "route 10.244.1.0/24: is missing, wanted via 192.0.2.2"},
    ),
    Case(
        "removed image",
        (Image(PAUSE),),
        removed_image,
        {f"image {PAUSE.ref}": f"image {PAUSE.ref}: is missing"},
        Image.every,
    ),
    Case(
        "removed image, containerd's records elsewhere",
        (Image(PAUSE),),
        lambda host, programs: host.containerd.remove_image(PAUSE.ref),
        {f"image {PAUSE.ref}": f"image {PAUSE.ref}: is missing"},
        LATER,
    ),
    Case(
        "edited kubelet configuration",
        (File(CONFIG, b"ours\n", unit="kubelet.service"), UNIT),
        edit(CONFIG, "theirs\n"),
        {
            f"file {CONFIG}": f"{CONFIG}: -theirs\n{CONFIG}: +ours",
            UNIT.key: "kubelet.service: was started with an older configuration",
        },
    ),
)


class Coordinator(Signer):
    folder = Path()

    async def secret(self, name: str) -> bytes:
        return b"secret"

    async def artifact(self, artifact: Artifact) -> Path:
        file = self.folder / artifact.name
        file.write_text(artifact.ref)
        return file


class Kernel:
    """Routes as netlink would set them."""

    def __init__(self, table: Path) -> None:
        self.table = table

    async def replace(self, destination: str, via: str) -> None:
        assert (destination, via) == ("10.244.1.0/24", "192.0.2.2")
        self.table.write_text("Iface\neth0 0001F40A 020200C0 0003 0 0 0 00FFFFFF 0 0 0\n")


@pytest.fixture
def ready(host: Host, tmp_path: Path) -> Host:
    coordinator = Coordinator(CLIENT, ADMIN)
    coordinator.folder = tmp_path
    host.supplies = coordinator  # type: ignore[assignment]
    host.routes = Kernel(host.path("/proc/net/route"))  # type: ignore[assignment]
    host.path(AUTHORITY).parent.mkdir(parents=True)
    host.path(AUTHORITY).write_bytes(coordinator.certificate)
    host.path("/etc/fstab").write_text("/dev/sda / ext4 defaults 0 1\n")
    host.path("/proc/sys/net/ipv4/ip_forward").write_text("0\n")
    return host


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_drift_is_put_right_in_time_and_told(
    ready: Host,
    programs: Programs,
    place: Callable[[str, str], Path],
    case: Case,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, passed = time.monotonic, 0.0
    skew = -real() % 60  # a minute begins
    monkeypatch.setattr("kubefort_agent.reconcile.loop.time.monotonic", lambda: real() + skew + passed)
    if case.name == "removed image":
        place(RECORDS, "one image")
    life = Life(ready, Wanted(*case.resources))
    assert await life.cycle(SPEC)
    life.report.events.clear()
    done = case.meddle(ready, programs)
    if done is not None:
        await done
    passed = case.seconds
    assert await life.cycle()
    assert {
        event.message.removesuffix(": put back"): "\n".join(event.diff) for event in life.report.events
    } == case.told
    assert {event.reason for event in life.report.events} == {"DriftRepaired"}
    life.report.events.clear()
    passed = 2 * case.seconds
    assert await life.cycle()
    assert life.events() == []
