"""What of the lab can be checked without Docker, mounts or root."""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path

import pytest

from tests.lab import archive, artifacts, image, network
from tests.lab.disk import Disk
from tests.lab.host import Host
from tests.lab.lab import each
from tests.lab.shell import CommandError, LabError, run, until


def small_image(folder: Path) -> archive.Image:
    program = folder / "program"
    program.write_text("#!/bin/sh\n")
    return archive.Image("example.org/p:1", ["/bin/p"], {"bin/p": program}, {"bin/sh": "p"})


def test_an_archive_is_what_docker_load_reads(tmp_path: Path) -> None:
    archive.write(small_image(tmp_path), tmp_path / "p.tar")
    with tarfile.open(tmp_path / "p.tar") as tar:
        manifest = json.load(tar.extractfile("manifest.json") or pytest.fail("no manifest"))[0]
        config = json.load(tar.extractfile(manifest["Config"]) or pytest.fail("no config"))
        layer = manifest["Layers"][0]
        tar.extract(layer, tmp_path, filter="data") if sys.version_info >= (3, 12) else tar.extract(layer, tmp_path)
    assert manifest["RepoTags"] == ["example.org/p:1"]
    assert config["config"]["Entrypoint"] == ["/bin/p"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{archive.sha256(tmp_path / layer)}"]
    with tarfile.open(tmp_path / layer) as tar:
        assert tar.getnames() == ["bin", "etc", "tmp", "bin/p", "bin/sh"]
        assert tar.getmember("tmp").mode == 0o1777
        assert tar.getmember("bin/p").mode == 0o755


def test_the_same_image_is_the_same_bytes(tmp_path: Path) -> None:
    archive.write(small_image(tmp_path), tmp_path / "a.tar")
    (tmp_path / "program").touch()
    archive.write(small_image(tmp_path), tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_host_image_is_named_by_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.tag("trixie")
    assert before.startswith("kubefort-lab/trixie:")
    assert before != image.tag("bookworm").replace("bookworm", "trixie")
    monkeypatch.setattr(image, "PACKAGES", ("one-more", *image.PACKAGES))
    assert image.tag("trixie") != before


@pytest.mark.parametrize("version", sorted(artifacts.RELEASES))
def test_image_names_are_those_of_their_time(version: str) -> None:
    release = artifacts.RELEASES[version]
    assert release.registry == ("k8s.gcr.io" if version < "v1.25" else "registry.k8s.io")
    assert release.coredns.startswith("coredns:") == (version < "v1.21")


def test_a_bridge_name_fits_the_kernel() -> None:
    assert network.bridge_name("10.77.255.0/24") == "kflab-10-77-255"
    assert len("kflab-10-77-255") <= 15


def test_a_lab_takes_a_subnet_that_no_route_overlaps(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = [{"dst": "default"}, {"dst": "10.77.0.0/24"}, {"dst": "10.77.1.7"}, {"dst": "192.168.0.0/16"}]
    monkeypatch.setattr(network, "_routes", lambda: routes)
    assert network.free_subnet() == "10.77.2.0/24"
    monkeypatch.setattr(network, "_routes", lambda: [{"dst": "10.0.0.0/8"}])
    with pytest.raises(LabError, match="no free subnet"):
        network.free_subnet()


def test_partitions_drop_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts: list[str] = []
    monkeypatch.setattr(network, "run", lambda *argv, stdin: scripts.append(stdin.decode()))
    network.set_partitions("my-lab", [("veth1", "veth2")])
    network.set_partitions("my-lab", [])
    assert "iifname veth1 oifname veth2 drop\niifname veth2 oifname veth1 drop" in scripts[0]
    assert scripts[1] == "table bridge kubefort_lab_my_lab\ndelete table bridge kubefort_lab_my_lab\n"


def test_commands_have_a_deadline_and_say_what_failed() -> None:
    with pytest.raises(CommandError, match="exit code 3") as failed:
        run(sys.executable, "-c", "import sys; print('why'); sys.exit(3)")
    assert failed.value.code == 3
    assert "why" in failed.value.output
    with pytest.raises(CommandError, match="did not end in time"):
        run("sleep", "60", timeout=0.01)
    with pytest.raises(CommandError, match="exit code 127"):
        run("no-such-program-here")


def test_waiting_says_what_for() -> None:
    with pytest.raises(LabError, match="the moon: not within 0 s"):
        until("the moon", lambda: False, timeout=0)


def test_each_runs_for_all_before_it_fails() -> None:
    done: list[str] = []

    def act(host: Host) -> None:
        done.append(host.name)
        if host.name == "a":
            raise LabError("a failed")

    hosts = [Host(lab="l", name=name, suite="trixie", image="i", address="10.77.0.11") for name in "ab"]
    with pytest.raises(LabError, match="a failed"):
        each(act, hosts)
    assert sorted(done) == ["a", "b"]


def test_a_host_keeps_its_changing_folders_on_its_disk() -> None:
    disk = Disk(Path("/x/a.ext4"), Path("/x/a.mnt"))
    assert "--volume=/x/a.mnt/var:/var" in disk.binds()
    assert "--volume=/x/a.mnt/etc:/etc" in disk.binds()


def test_the_clock_is_skewed_by_a_wrapper() -> None:
    assert Host.with_clock(-40, "date", "+%s") == ["faketime", "-f", "-40s", "date", "+%s"]
