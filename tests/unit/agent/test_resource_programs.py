from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubefort.errors import KubefortError
from kubefort.model.spec import Artifact
from kubefort_agent.host import Host
from kubefort_agent.host.containerd import full_reference
from kubefort_agent.resources import Binary, File, Image, Unit

if TYPE_CHECKING:
    from tests.unit.agent.conftest import Programs
else:
    Programs = Any

Place = Callable[[str, str], Path]


class Files:
    """Supplies of artifacts that lie in a folder already."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, 0

    async def artifact(self, artifact: Artifact) -> Path:
        self.asked += 1
        return self.folder / artifact.sha256

    def forget(self, artifact: Artifact) -> None:
        (self.folder / artifact.sha256).unlink()


def supply(host: Host, kind: Any, name: str, content: bytes, ref: str = "") -> Artifact:
    folder = host.root.parent / "supplies"
    folder.mkdir(exist_ok=True)
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    host.supplies = Files(folder)  # type: ignore[assignment]
    return Artifact(kind, name, digest, len(content), ref)


async def test_a_units_configuration_decides_about_a_restart(host: Host, programs: Programs) -> None:
    unit = Unit("kubelet.service", "[Service]\nExecStart=/bin/true\n", restart_on=("one",))
    assert "kubelet.service: is inactive, wanted active" in await unit.diff(host)
    await unit.apply(host)
    assert await unit.diff(host) == ()
    changed = Unit("kubelet.service", unit.content, restart_on=("two",))
    assert await changed.diff(host) == ("kubelet.service: was started with an older configuration",)
    await changed.apply(host)
    assert await changed.diff(host) == ()
    assert [call for call in programs.calls("systemctl") if call[0] == "restart"] == [
        ["restart", "kubelet.service"]
    ] * 2


async def test_a_stopped_unit_is_started_and_not_restarted(host: Host, programs: Programs) -> None:
    unit = Unit("kubelet.service", "[Service]\n")
    await unit.apply(host)
    await host.systemd.stop("kubelet.service")
    await unit.apply(host)
    assert [call[0] for call in programs.calls("systemctl")].count("restart") == 1
    assert [call[0] for call in programs.calls("systemctl")].count("start") == 1


async def test_undo_of_a_unit_stops_it_and_takes_its_file(host: Host) -> None:
    unit = Unit("kubelet.service", "[Service]\n")
    undo = await unit.undo(host)
    await unit.apply(host)
    for step in undo:
        await step.run(host)
    assert not host.path("/etc/systemd/system/kubelet.service").exists()
    assert not (await host.systemd.show("kubelet.service")).running


async def test_another_packages_unit_is_kept_running_and_stays(host: Host) -> None:
    await host.systemd.start("containerd.service")
    unit = Unit("containerd.service", "")
    undo = await unit.undo(host)
    await unit.apply(host)
    assert (await host.systemd.show("containerd.service")).enabled
    for step in undo:
        await step.run(host)
    state = await host.systemd.show("containerd.service")
    assert (state.running, state.enabled) == (True, False)


async def test_another_packages_unit_that_runs_is_not_restarted_for_nothing(host: Host, programs: Programs) -> None:
    await host.systemd.start("docker.service")
    unit = Unit("docker.service", "")
    await unit.apply(host)
    assert await unit.diff(host) == ()
    assert "restart" not in [call[0] for call in programs.calls("systemctl")]


async def test_a_unit_that_no_package_brought_is_named(host: Host) -> None:
    with pytest.raises(KubefortError, match=r"there is no unit containerd\.service"):
        await Unit("containerd.service", "").apply(host)


async def test_one_call_shows_all_units(host: Host, programs: Programs) -> None:
    host.systemd.expect({"a.service", "b.service"})
    await host.systemd.show("a.service")
    await host.systemd.show("b.service")
    assert len(programs.calls("systemctl")) == 1


async def test_an_image_is_imported_once_and_pinned(host: Host, programs: Programs) -> None:
    image = Image(supply(host, "image", "pause", b"registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"))
    assert await image.diff(host) == ("image registry.k8s.io/pause:3.10: is missing",)
    await image.apply(host)
    assert await image.diff(host) == ()
    assert len(programs.calls("sync")) == 1
    assert await image.undo(host) == ()


async def test_an_archive_that_brings_another_image_is_named(host: Host) -> None:
    image = Image(supply(host, "image", "pause", b"registry.k8s.io/other:1", "registry.k8s.io/pause:3.10"))
    with pytest.raises(KubefortError, match=r"pause:3\.10, and brought registry\.k8s\.io/other:1"):
        await image.apply(host)


async def test_an_image_of_ours_goes(host: Host) -> None:
    image = Image(supply(host, "image", "pause", b"registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"))
    undo = await image.undo(host)
    await image.apply(host)
    for step in undo:
        await step.run(host)
    assert await host.containerd.images() == {}


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("flannel/flannel:v1", "docker.io/flannel/flannel:v1"),
        ("registry.k8s.io/etcd:3.6.8-0", "registry.k8s.io/etcd:3.6.8-0"),
        ("localhost/x", "localhost/x:latest"),
        ("host:5000/x:1", "host:5000/x:1"),
    ],
)
def test_references_are_completed(short: str, full: str) -> None:
    assert full_reference(short) == full


async def test_a_binary_is_installed_by_version_and_linked(host: Host) -> None:
    binary = Binary(supply(host, "binary", "kubelet", b"#!/bin/true"), "v1.36.2")
    await binary.apply(host)
    await binary.link.apply(host)
    assert await binary.diff(host) == ()
    assert host.path("/opt/kubefort/bin/v1.36.2/kubelet").stat().st_mode & 0o777 == 0o755
    assert host.path("/usr/local/bin/kubelet").readlink() == Path("/opt/kubefort/bin/v1.36.2/kubelet")


@pytest.mark.parametrize(("name", "stays"), [("kubelet", True), ("kubectl", False)])
async def test_the_artifact_of_what_runs_by_itself_stays(host: Host, name: str, stays: bool) -> None:
    binary = Binary(supply(host, "binary", name, b"#!/bin/true"), "v1.36.2")
    await binary.apply(host)
    assert (host.root.parent / "supplies" / binary.artifact.sha256).exists() == stays


async def test_half_a_program_does_not_stay(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    binary = Binary(supply(host, "binary", "kubelet", b"#!/bin/true"), "v1.36.2")
    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        await binary.apply(host)
    assert list(host.path("/opt/kubefort/bin/v1.36.2").iterdir()) == []


async def test_a_damaged_binary_is_noticed(host: Host) -> None:
    binary = Binary(supply(host, "binary", "kubelet", b"#!/bin/true"), "v1.36.2")
    await binary.apply(host)
    assert await binary.diff(host) == ()
    host.path("/opt/kubefort/bin/v1.36.2/kubelet").write_bytes(b"")
    assert "sha256 is" in (await binary.diff(host))[0]


async def test_a_file_that_is_put_back_restarts_the_unit_that_read_it(host: Host, programs: Programs) -> None:
    config = File(Path("/var/lib/kubelet/config.yaml"), b"ours", unit="kubelet.service")
    unit = Unit("kubelet.service", "[Service]\n", restart_on=("ours",))
    await config.apply(host)
    await unit.apply(host)
    assert await unit.diff(host) == ()
    host.path(config.path).write_text("theirs")
    await config.apply(host)
    assert await unit.diff(host) == ("kubelet.service: was started with an older configuration",)
    await unit.apply(host)
    assert await unit.diff(host) == ()
    assert [call[0] for call in programs.calls("systemctl")].count("restart") == 2


async def test_another_packages_kubelet_is_hidden_and_comes_back(host: Host, programs: Programs) -> None:
    await host.systemd.enable("kubelet.service")
    drop_in = File(Path("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"), b"", unit="kubelet.service")
    unit = Unit("kubelet.service", "[Service]\n")
    undo = [*await unit.undo(host), *await drop_in.undo(host)]
    await drop_in.apply(host)
    await unit.apply(host)
    assert host.path(drop_in.path).read_bytes() == b""
    for step in undo:
        await step.run(host)
    assert not host.path(drop_in.path.parent).exists()
    state = await host.systemd.show("kubelet.service")
    assert (state.running, state.enabled) == (False, True)


async def test_a_masked_unit_is_unmasked(host: Host, programs: Programs) -> None:
    unit = Unit("containerd.service", "")
    await host.systemd.start("containerd.service")
    await unit.apply(host)
    units = json.loads((programs.state / "units.json").read_text())
    units["containerd.service"] = {"active": "inactive", "file": "masked"}
    (programs.state / "units.json").write_text(json.dumps(units))
    host.systemd.forget()
    assert "containerd.service: is masked, wanted enabled" in await unit.diff(host)
    await unit.apply(host)
    assert ["unmask", "--quiet", "containerd.service"] in programs.calls("systemctl")
    assert await unit.diff(host) == ()


def shows(programs: Programs) -> int:
    return [call[0] for call in programs.calls("systemctl")].count("show")


async def test_systemd_is_asked_when_a_file_says_that_something_changed(
    host: Host, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 600.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    unit = Unit("kubelet.service", "[Service]\n")
    await unit.apply(host)
    link = host.path("/run/systemd/units/invocation:kubelet.service")
    link.parent.mkdir(parents=True)
    link.symlink_to("aaaa")
    assert await unit.diff(host) == ()
    asked = shows(programs)

    async def asks() -> bool:
        nonlocal asked
        before = asked
        host.systemd.forget()
        await unit.diff(host)
        asked = shows(programs)
        return asked > before

    assert not await asks()
    link.unlink()
    link.symlink_to("bbbb")
    assert await asks()
    wants = host.path("/etc/systemd/system/multi-user.target.wants/kubelet.service")
    wants.parent.mkdir()
    wants.symlink_to("../kubelet.service")
    assert await asks()
    assert not await asks()
    host.path("/etc/systemd/system/kubelet.service.d").mkdir()
    assert await asks()
    now += 60
    assert await asks()
    link.unlink()
    assert await asks()
    assert await asks()
