"""Everything that one Kubernetes version needs on a host, as files in one folder:

    bin/NAME            kubelet, kubectl, kubeadm, crictl, etcdctl (the last two where the artifacts have them)
    images/NAME.tar     docker-archives: the control plane, kube-proxy, etcd, coredns, pause, and busybox for tests' pods
    manifest.json       kubernetesVersion, etcdVersion, artifacts: kind, name, file, sha256, size, and an image's ref
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
from pathlib import Path

from tests.lab import artifacts, image
from tests.lab.archive import Image, write
from tests.lab.paths import cache, locked
from tests.lab.shell import LabError, run, run_coded, step

BINARIES = ("kubelet", "kubectl", "kubeadm", "crictl", "etcdctl")
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
TEST_IMAGE = "kubefort.lab/busybox:1"
"""A static busybox (httpd, nslookup, wget by address, nc, sh) for pods of tests."""

PROXY_TOOLS = ("/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", "/usr/sbin/conntrack", "/usr/sbin/ip", "/bin/dash")
PROXY_LINKS = ("iptables", "ip6tables", *(f"{ip}-{what}" for ip in ("iptables", "ip6tables") for what in ("save", "restore")))
HERE = Path(__file__).parent


def ensure(version: str) -> Path:
    """The bundle folder of `version`, made when missing (half a minute once the programs are there)."""
    if version not in artifacts.RELEASES:
        raise LabError(f"the lab knows Kubernetes {', '.join(artifacts.RELEASES)}, not {version}")
    target = cache() / "bundles" / version
    recipe = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in ("bundle.py", "archive.py", "artifacts.py")))
    recipe.update(image.tag(artifacts.RELEASES[version].suite).encode())
    with locked(f"bundle-{version}"):
        mark = target / ".recipe"
        if not (mark.exists() and mark.read_text() == recipe.hexdigest()):
            with step(f"making the bundle of {version}"):
                half = target.with_name(f".{version}.half")
                shutil.rmtree(half, ignore_errors=True)
                _make(version, half)
                (half / ".recipe").write_text(recipe.hexdigest())
                shutil.rmtree(target, ignore_errors=True)
                half.rename(target)
    return target


def _make(version: str, target: Path) -> None:
    release = artifacts.RELEASES[version]
    programs = artifacts.programs(version)
    for folder in ("bin", "images", "work"):
        (target / folder).mkdir(parents=True)
    work = target / "work"
    host = _files_of_host(image.ensure(release.suite), work)
    etcd = _etcd(programs, host, version)
    etcd_version = _version_of(etcd["usr/local/bin/etcd"], image.tag(release.suite))
    for name in BINARIES:
        path = host["usr/bin/etcdctl"] if name == "etcdctl" and "etcdctl" not in _names(programs) else programs / name
        if path.exists():
            shutil.copy(path, target / "bin" / name)
    images = _images(version, programs, host, etcd, work)
    listed = [_listed(target, "binary", path.name, path) for path in sorted((target / "bin").iterdir())]
    for name, made in images.items():
        path = target / "images" / f"{name}.tar"
        write(made, path)
        listed.append({**_listed(target, "image", name, path), "ref": made.ref})
    shutil.rmtree(work)
    manifest = {"kubernetesVersion": version, "etcdVersion": etcd_version, "artifacts": listed}
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def _images(
    version: str, programs: Path, host: dict[str, Path], etcd: dict[str, Path], work: Path
) -> dict[str, Image]:
    release = artifacts.RELEASES[version]

    def plain(name: str) -> Image:
        path = f"usr/local/bin/{name}"
        return Image(f"{release.registry}/{name}:{version}", [f"/{path}"], {path: programs / name}, {})

    pause = programs / "pause"
    if not pause.exists():
        pause = work / "pause"
        run("gcc", "-Os", "-static", "-o", pause, HERE / "pause.c")
    proxy = plain("kube-proxy")
    links = {f"usr/sbin/{name}": "xtables-nft-multi" for name in PROXY_LINKS} | {"bin/sh": "dash"}
    proxy = Image(proxy.ref, proxy.entrypoint, {**host_files(host, PROXY_TOOLS), **proxy.files}, links)
    busybox = host["bin/busybox"]
    applets = run(busybox, "--list").split()
    images = {name: plain(name) for name in CONTROL_PLANE}
    images["kube-proxy"] = proxy
    images["etcd"] = Image(f"{release.registry}/{release.etcd}", ["/usr/local/bin/etcd"], etcd, {})
    if (programs / "coredns").exists():
        ref = f"{release.registry}/{release.coredns}"
        images["coredns"] = Image(ref, ["/coredns"], {"coredns": programs / "coredns"}, {})
    images["pause"] = Image(f"{release.registry}/{release.pause}", ["/pause"], {"pause": pause}, {})
    links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    images["busybox"] = Image(TEST_IMAGE, ["/bin/sh"], {"bin/busybox": busybox}, links, ("tmp", "etc", "www"))
    return images


def _etcd(programs: Path, host: dict[str, Path], version: str) -> dict[str, Path]:
    """etcd's image files: the artifacts' static one for what etcd 3.6 serves, else the one of the host's Debian."""
    if "etcd" in _names(programs) and artifacts.RELEASES[version].etcd.startswith("etcd:3.6"):
        return {f"usr/local/bin/{name}": programs / name for name in ("etcd", "etcdctl")}
    files = host_files(host, ("/usr/bin/etcd", "/usr/bin/etcdctl"))
    return {path.replace("usr/bin/", "usr/local/bin/"): local for path, local in files.items()}


def _names(programs: Path) -> set[str]:
    return {path.name for path in programs.iterdir()}
