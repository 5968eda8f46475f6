"""Kubernetes' programs for the lab, from the first source that has them.

1. a folder: KUBEFORT_ARTIFACTS, by default ../shared/kube beside the repository, with archives or unpacked versions;
2. the official downloads: dl.k8s.io, and the releases of etcd, CoreDNS and cri-tools at GitHub;
3. a build from Debian's source package, with stand-ins for CoreDNS and crictl (tests/lab/source.py).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.lab import source
from tests.lab.paths import cache, locked
from tests.lab.shell import CommandError, LabError, run, step

KUBE = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
    *("kubelet", "kubeadm", "kubectl"),
)
TOOLS = ("etcd", "etcdctl", "coredns", "crictl")
GITHUB = "https://github.com"


@dataclass(frozen=True)
class Release:
    """Names and versions that belong to one Kubernetes version. Source: kubeadm's constants.go of that version.

    v1.21.0-lab is v1.20.2 under another name, with a newer etcd under a tag that says so.
    """

    registry: str
    etcd: str
    coredns: str
    pause: str
    suite: str = "trixie"
    """The hosts that it runs on, from which the proxy's iptables are taken."""
    etcd_suite: str = ""
    """The Debian that etcd is taken from, where it is not the artifacts' own."""


RELEASES = {
    "v1.20.2": Release("k8s.gcr.io", "etcd:3.4.13-0", "coredns:1.7.0", "pause:3.2", "bookworm", "bookworm"),
    "v1.21.0-lab": Release(
        "k8s.gcr.io", "etcd:3.5.16-0", "coredns/coredns:v1.8.0", "pause:3.4.1", "bookworm", "trixie"
    ),
    "v1.35.6": Release("registry.k8s.io", "etcd:3.6.6-0", "coredns/coredns:v1.13.1", "pause:3.10.1"),
    "v1.36.2": Release("registry.k8s.io", "etcd:3.6.8-0", "coredns/coredns:v1.14.2", "pause:3.10.2"),
}


def folder() -> Path | None:
    """The folder of ready-made artifacts, when there is one."""
    default = Path(__file__).resolve().parents[3] / "shared" / "kube"
    chosen = Path(os.environ.get("KUBEFORT_ARTIFACTS") or default)
    return chosen if chosen.is_dir() else None


def obtainable() -> tuple[str, ...]:
    """The versions that this machine can get: without folder and downloads, those that Debian's source makes."""
    return tuple(RELEASES) if folder() is not None or _downloads_answer() else source.VERSIONS


def best() -> str:
    """The newest version that this machine can get, one that a distribution of its own serves."""
    return "v1.36.2" if "v1.36.2" in obtainable() else "v1.20.2"


def _downloads_answer() -> bool:
    try:
        return bool(_fetch("https://dl.k8s.io/v1.36.2/bin/linux/amd64/kubelet.sha256", 10))
    except (LabError, OSError):
        return False


def programs(version: str) -> Path:
    """A folder with the programs of KUBE in this version, and those of TOOLS that the source has.

    Raises LabError, naming what each source said, when none has them.
    """
    target = cache() / "programs" / version
    with locked(f"programs-{version}"):
        if target.exists():
            return target
        said = []
        for way in (_from_folder, _from_downloads, source.build):
            half = target.with_name(f".{version}.half")
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir(parents=True)
            try:
                way(version, half)
            except (LabError, OSError) as error:
                said.append(f"{way.__name__.strip('_').replace('_', ' ')}: {error}")
                continue
            half.rename(target)
            return target
    raise LabError(f"no programs of Kubernetes {version}: {'; '.join(said)}")


def _from_folder(version: str, target: Path) -> None:
    place = folder()
    if place is None:
        raise LabError("there is no such folder")
    _check_sums(place)
    unpacked = [place, *map(_unpacked, sorted(place.glob("*.tar.*")))]
    holder = next((path for path in unpacked if (path / version / "kubelet").exists()), None)
    if holder is None:
        raise LabError(f"{place} does not hold {version}")
    for path in [*(holder / version).iterdir(), *(tool for some in unpacked for tool in (some / "tools").glob("*"))]:
        _link(path, target / path.name)


def _unpacked(archive: Path) -> Path:
    stat = archive.stat()
    target = cache() / "unpacked" / f"{archive.name}-{stat.st_size}-{int(stat.st_mtime)}"
    if not target.exists():
        half = target.with_name(f".{target.name}.half")
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        with step(f"unpacking {archive.name}"):
            decoder = ["-I", "zstd -d --long=28"] if archive.suffix == ".zst" else ["-J"]
            run("tar", "-C", half, *decoder, "-xf", archive, timeout=300)
        half.rename(target)
    return target


def _check_sums(place: Path) -> None:
    sums = place / "SHA256SUMS"
    mark = cache() / f"checked-{hashlib.sha256(str(place.resolve()).encode()).hexdigest()[:12]}"
    if sums.exists() and not (mark.exists() and mark.read_text() == sums.read_text()):
        run("sha256sum", "--check", "--quiet", "SHA256SUMS", cwd=place, timeout=120)
        mark.write_text(sums.read_text())


def _from_downloads(version: str, target: Path) -> None:
    for name in KUBE:
        url = f"https://dl.k8s.io/{version}/bin/linux/amd64/{name}"
        expected = _fetch(f"{url}.sha256").decode().split()[0]
        data = _fetch(url, 600)
        if hashlib.sha256(data).hexdigest() != expected:
            raise LabError(f"{url} is not what its .sha256 says")
        (target / name).write_bytes(data)
    etcd = RELEASES[version].etcd.partition(":")[2].partition("-")[0]
    coredns = RELEASES[version].coredns.partition(":")[2].lstrip("v")
    minor = version.rpartition(".")[0]
    tools = f"{GITHUB}/kubernetes-sigs/cri-tools/releases/download"
    for url, names in (
        (f"{GITHUB}/etcd-io/etcd/releases/download/v{etcd}/etcd-v{etcd}-linux-amd64.tar.gz", ("etcd", "etcdctl")),
        (f"{GITHUB}/coredns/coredns/releases/download/v{coredns}/coredns_{coredns}_linux_amd64.tgz", ("coredns",)),
        (f"{tools}/{minor}.0/crictl-{minor}.0-linux-amd64.tar.gz", ("crictl",)),
    ):
        packed = target / ".packed"
        packed.write_bytes(_fetch(url, 300))
        with tarfile.open(packed) as tar:
            for member in tar.getmembers():
                stream = tar.extractfile(member) if Path(member.name).name in names else None
                if stream is not None:
                    (target / Path(member.name).name).write_bytes(stream.read())
        packed.unlink()
    for path in target.iterdir():
        path.chmod(0o755)


def _fetch(url: str, timeout: float = 20.0) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return bytes(answer.read())
    except (OSError, CommandError) as error:
        raise LabError(f"{url}: {error}") from error


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:
        shutil.copy(path, target)
