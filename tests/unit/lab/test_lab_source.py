"""The lab's third source, with stand-ins for apt, dpkg, make and gcc that record what they are asked."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from kubefort_coordinator.operations.bootstrap import NEEDED

from tests.lab import artifacts, source
from tests.lab.shell import LabError

FAKE = f"""#!{sys.executable}
import os, pathlib, sys
name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
environment = " ".join(f"{{key}}={{os.environ.get(key, '')}}" for key in ("GOROOT", "KUBE_GIT_VERSION_FILE"))
with open(os.environ["LOG"], "a") as log:
    print(name, *words, environment, file=log)

def touch(path):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)

if name == "apt-get" and words[-1] == "update":
    lists = next(word.partition("=")[2] for word in words if word.startswith("Dir::Etc::sourcelist="))
    sys.exit(100 if any(bad in open(lists).read() for bad in os.environ["DEAD"].split()) else 0)
elif name == "apt-get":
    for package in words[words.index("download") + 1 :] if "download" in words else ["kubernetes"]:
        touch(f"{{package}}_1.deb" if "download" in words else "kubernetes_1.dsc")
elif name == "dpkg":
    touch(f"{{words[2]}}/usr/lib/go-1.15/bin/go")
elif name == "dpkg-source":
    touch(f"{{words[-1]}}/build/pause/linux/pause.c")
elif name == "make":
    for command in words[0].partition("=")[2].split():
        touch(f"_output/local/bin/linux/amd64/{{os.path.basename(command)}}")
elif name == "gcc":
    touch(words[words.index("-o") + 1])
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of what the programs were asked; no mirror is dead, and nothing is installed."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("apt-get", "dpkg", "dpkg-source", "make", "gcc", "rsync", "patch"):
        (tools / name).write_text(FAKE)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("DEAD", "no-mirror")
    monkeypatch.setenv("KUBEFORT_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(source, "KEYRING", tmp_path)
    return tmp_path / "log"


def built(version: str, folder: Path) -> set[str]:
    folder.mkdir()
    source.build(version, folder)
    return {path.name for path in folder.iterdir()}


def test_it_makes_all_that_a_bootstrap_needs(asked: Path, tmp_path: Path) -> None:
    made = built("v1.20.2", tmp_path / "made")
    assert made == {*artifacts.KUBE, "pause", "coredns", "crictl"}
    # etcd comes from Debian's package, at the bundle
    assert set(NEEDED) - made == {"etcd"}
    assert all(artifacts.RELEASES[version].etcd_suite for version in source.VERSIONS)


def test_another_version_is_the_same_tree_with_another_stamp(asked: Path, tmp_path: Path) -> None:
    built("v1.20.2", tmp_path / "first")
    asked.unlink()
    built("v1.21.0-lab", tmp_path / "second")
    lines = asked.read_text().splitlines()
    assert not [line for line in lines if line.startswith(("apt-get", "dpkg"))]
    (make,) = [line for line in lines if line.startswith("make ")]
    stamp = Path(make.rpartition("KUBE_GIT_VERSION_FILE=")[2]).read_text()
    assert "KUBE_GIT_VERSION='v1.21.0-lab'" in stamp
    assert "KUBE_GIT_MINOR='21'" in stamp
    assert f"GOROOT={tmp_path}/cache/source/go-1.15/usr/lib/go-1.15 " in make


def test_a_suite_that_left_the_mirror_is_taken_from_the_archive(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEAD", source.MIRROR)
    built("v1.20.2", tmp_path / "made")
    lists = (tmp_path / "cache/source/apt-bullseye/sources.list").read_text()
    assert f"] {source.ARCHIVE} bullseye main" in lists


def test_lists_that_did_not_come_are_asked_for_again(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEAD", f"{source.MIRROR} {source.ARCHIVE}")
    with pytest.raises(LabError, match="apt-get"):
        built("v1.20.2", tmp_path / "failed")
    monkeypatch.setenv("DEAD", "no-mirror")
    assert "kubelet" in built("v1.20.2", tmp_path / "made")


def test_no_other_version_is_tried(asked: Path, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"v1\.20\.2 or v1\.21\.0-lab only"):
        built("v1.36.2", tmp_path / "made")
    assert not asked.exists()


@pytest.fixture
def nothing_ready(asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a folder of artifacts nor the official downloads."""

    def unreachable(url: str, timeout: float = 0.0) -> bytes:
        raise LabError(f"{url}: no route")

    monkeypatch.setenv("KUBEFORT_ARTIFACTS", str(tmp_path / "absent"))
    monkeypatch.setattr(artifacts, "_fetch", unreachable)


@pytest.mark.usefixtures("nothing_ready")
def test_without_the_others_the_third_source_is_the_choice() -> None:
    assert artifacts.obtainable() == source.VERSIONS
    assert artifacts.best() == "v1.20.2"
    assert {path.name for path in artifacts.programs(artifacts.best()).iterdir()} >= set(artifacts.KUBE)


@pytest.mark.usefixtures("nothing_ready")
def test_a_version_that_no_source_has_names_them_all() -> None:
    with pytest.raises(LabError, match=r"from folder: .*from downloads: .*no route.*build: Debian's source"):
        artifacts.programs("v1.36.2")
