"""What stands in the way of a pass: things that cannot be removed, renewed, read or written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from kubefort.errors import InvalidInput, Refused, Unavailable
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Artifact, VipKey
from kubefort_agent.host import Host
from kubefort_agent.reconcile.ledger import Ledger
from kubefort_agent.reconcile.state import SpecFile
from kubefort_agent.resources import File
from kubefort_agent.resources.undo import RestoreFile, Undo

from tests.unit.agent.life import SPEC, Broken, Eager, Life, Wanted, file, stage


class Stuck(File):
    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RestoreFile("/proc/x/y", b""),)


async def test_what_cannot_be_removed_hinders_no_repair(host: Host) -> None:
    life = Life(host, Wanted(file("a"), Stuck(Path("/etc/b"), b"")))
    assert await life.cycle(SPEC)
    host.path("/proc/x").write_text("a file, where a folder would be needed")
    life.wanted.list = (file("a"), file("c"))
    assert not await life.cycle(stage(generation=2))
    assert host.path("/etc/c").exists()
    (why,) = life.report.status().pending
    assert why.startswith("removing what is not wanted any more: ")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"artifacts": (Artifact("binary", "../sh", "0" * 64, 1),)}, "names the artifact"),
        ({"artifacts": (Artifact("binary", "kubelet", "../../etc/shadow", 1),)}, "has no SHA-256"),
        ({"cluster": Cluster("../v1")}, "names the version"),
        ({"vip_keys": (VipKey(1, "../../etc/shadow"),)}, "names the secret"),
    ],
)
def test_a_spec_does_not_lead_out_of_our_folders(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    specs = SpecFile(tmp_path / "spec.json")
    with pytest.raises(Refused, match=why):
        specs.accept(stage(**changes), "n1")
    assert not (tmp_path / "spec.json").exists()


@dataclass(frozen=True)
class Renewal(Eager):
    """Fails for as long as the coordinator is away."""

    async def diff(self, host: Host) -> tuple[str, ...]:
        return ("renewal: is due",) if host.path("/etc/away").exists() else ()

    async def apply(self, host: Host) -> None:
        raise Unavailable("the coordinator is not reached")


async def test_what_cannot_be_renewed_now_keeps_nothing_else_from_being_repaired(host: Host) -> None:
    life = Life(host, Wanted(Renewal(Path("/etc/renewal"), b""), file("route")))
    assert await life.cycle(SPEC)
    host.path("/etc/away").touch()
    host.path("/etc/route").unlink()
    life.start()  # a power cut in between: the spec was reached in an earlier life
    assert not await life.cycle()
    assert host.path("/etc/route").exists()
    assert life.report.status().pending[-1] == "file /etc/renewal: the coordinator is not reached"
    host.path("/etc/route").unlink()
    assert not await life.cycle(stage(generation=2))
    assert not host.path("/etc/route").exists(), "a spec that was never reached is brought about in order"
    await life.cycle(stage(generation=3, stage="absent"))
    assert not host.path("/var/lib/kubefort/reached").exists()


def test_a_ledger_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "owned.json").write_text('[{"key": "x", "undo": [{"type": "Novelty"}]}]')
    with pytest.raises(InvalidInput, match=r"owned\.json.*\n.*install that one"):
        Ledger(tmp_path / "owned.json")


@dataclass(frozen=True)
class FullDisk(Broken):
    async def apply(self, host: Host) -> None:
        raise OSError(28, "No space left on device", "/var/lib/kubelet/x")


async def test_a_full_disk_is_named_with_what_to_type(host: Host) -> None:
    life = Life(host, Wanted(FullDisk()))
    assert not await life.cycle(SPEC)
    assert "No space left on device" in life.report.status().pending[-1]
    assert "`df -h /var/lib/kubelet`" in life.report.status().pending[-1]
