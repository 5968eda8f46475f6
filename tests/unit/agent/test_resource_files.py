from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kubefort_agent.host import Host
from kubefort_agent.resources import File, Folder, Link, Resource, Secret, StaticPod

Place = Callable[[str, str], Path]


async def undone(host: Host, resource: Resource) -> None:
    """Apply and undo."""
    undo = await resource.undo(host)
    await resource.apply(host)
    assert await resource.diff(host) == ()
    for step in undo:
        await step.run(host)


async def test_a_missing_file_is_written_with_its_mode(host: Host) -> None:
    file = File(Path("/etc/x/y"), b"hello\n", 0o640)
    assert await file.diff(host) == ("/etc/x/y: is missing",)
    await file.apply(host)
    assert await file.diff(host) == ()
    assert host.path("/etc/x/y").stat().st_mode & 0o777 == 0o640


async def test_a_files_diff_shows_lines(host: Host, place: Place) -> None:
    place("/etc/x", "a\nold\n").chmod(0o600)
    diff = await File(Path("/etc/x"), b"a\nnew\n").diff(host)
    assert diff == ("/etc/x: -old", "/etc/x: +new", "/etc/x: mode is 0600, wanted 0644")


async def test_a_private_files_diff_shows_no_content(host: Host, place: Place) -> None:
    place("/etc/x", "password").chmod(0o600)
    diff = await File(Path("/etc/x"), b"another", 0o600).diff(host)
    assert diff == ("/etc/x: content differs",)


async def test_undo_brings_the_file_of_before_back(host: Host, place: Place) -> None:
    place("/etc/x", "theirs").chmod(0o600)
    await undone(host, File(Path("/etc/x"), b"ours"))
    assert host.path("/etc/x").read_text() == "theirs"
    assert host.path("/etc/x").stat().st_mode & 0o777 == 0o600


async def test_undo_removes_a_file_that_was_not_there(host: Host) -> None:
    await undone(host, File(Path("/etc/x"), b"ours"))
    assert not host.path("/etc/x").exists()


async def test_a_folder_that_was_there_stays(host: Host) -> None:
    host.path("/etc/theirs").mkdir()
    await undone(host, Folder(Path("/etc/theirs"), 0o700))
    assert host.path("/etc/theirs").is_dir()
    await undone(host, Folder(Path("/etc/ours"), 0o700))
    assert not host.path("/etc/ours").exists()


@pytest.mark.parametrize("before", ["nothing", "link", "file"])
async def test_a_link_and_what_was_in_its_place(host: Host, place: Place, before: str) -> None:
    path = host.path("/usr/local/bin/kubectl")
    path.parent.mkdir(parents=True)
    if before == "link":
        path.symlink_to("/theirs")
    elif before == "file":
        path.write_text("theirs")
    link = Link(Path("/usr/local/bin/kubectl"), "/opt/kubectl")
    assert len(await link.diff(host)) == 1
    await undone(host, link)
    assert path.is_symlink() == (before == "link")
    assert path.exists() == (before == "file")


async def test_a_static_pod_lies_in_kubelets_folder(host: Host) -> None:
    pod = StaticPod("etcd", b"kind: Pod\n", ())
    await pod.apply(host)
    assert host.path("/etc/kubernetes/manifests/etcd.yaml").read_bytes() == b"kind: Pod\n"
    assert await pod.diff(host) == ()


class OneSecret:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def secret(self, name: str) -> bytes:
        self.asked.append(name)
        return b"top secret"


async def test_a_secret_is_fetched_once_and_comes_back_without_the_coordinator(host: Host) -> None:
    supplies = OneSecret()
    host.supplies = supplies  # type: ignore[assignment]
    secret = Secret(Path("/etc/kubernetes/pki/sa.key"), "pki/sa.key")
    await secret.apply(host)
    host.path("/etc/kubernetes/pki/sa.key").write_text("changed")
    diff = await secret.diff(host)
    assert diff == ("/etc/kubernetes/pki/sa.key: content differs",)
    await secret.apply(host)
    assert host.path("/etc/kubernetes/pki/sa.key").read_bytes() == b"top secret"
    assert supplies.asked == ["pki/sa.key"]
    await undone(host, secret)
    assert not host.path("/var/lib/kubefort/secrets/pki/sa.key").exists()
