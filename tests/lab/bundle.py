"""Everything that one Kubernetes version needs on a host, as files in one folder:

bin/NAME            kubelet, kubectl, kubeadm, the control plane, etcd; crictl and etcdctl where the artifacts have them
images/NAME.tar     docker-archives: the control plane, kube-proxy, etcd, coredns, pause, and busybox for tests' pods
manifest.json       kubernetesVersion, etcdVersion, artifacts: kind, name, file, sha256, size, and an image's ref
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.lab import artifacts, image, rootfs
from tests.lab.archive import Image, sha256, write
from tests.lab.paths import cache, locked
from tests.lab.shell import LabError, run, step

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
BINARIES = ("kubelet", "kubectl", "kubeadm", "crictl", *CONTROL_PLANE)
TEST_IMAGE = "kubefort.lab/busybox:1"
"""A static busybox (httpd, nslookup, wget by address, nc, sh) for pods of tests."""

PROXY_TOOLS = ("/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", "/usr/sbin/conntrack", "/usr/sbin/ip", "/bin/dash")
PROXY_LIBRARIES = "/usr/lib/x86_64-linux-gnu/xtables"
PROXY_MATCHES = (f"{PROXY_LIBRARIES}/libxt_statistic.so",)  # needs a library that the programs do not: libm
PROXY_LINKS = {"bin/sh": "dash"} | {
    f"usr/sbin/{ip}{what}": "xtables-nft-multi"
    for ip in ("iptables", "ip6tables")
    for what in ("", "-save", "-restore")
}
HERE = Path(__file__).parent
FORMAT = 4
"""Raise it when bundles made before no longer serve; those lie beside, for whoever still uses them."""


def ensure(version: str) -> Path:
    """The bundle folder of `version`, made when missing (half a minute once the programs are there)."""
    if version not in artifacts.RELEASES:
        raise LabError(f"the lab knows Kubernetes {', '.join(artifacts.RELEASES)}, not {version}")
    target = cache() / f"bundles-{FORMAT}" / version
    recipe = f"{FORMAT} {artifacts.RELEASES[version]}"
    with locked(f"bundle-{version}"):
        mark = target / ".recipe"
        if not (mark.exists() and mark.read_text() == recipe):
            with step(f"making the bundle of {version}"):
                half = target.with_name(f".{version}.half")
                shutil.rmtree(half, ignore_errors=True)
                _make(version, half)
                (half / ".recipe").write_text(recipe)
                shutil.rmtree(target, ignore_errors=True)
                half.rename(target)
    return target


def _make(version: str, target: Path) -> None:
    release = artifacts.RELEASES[version]
    programs = artifacts.programs(version)
    for folder in ("bin", "images", "work"):
        (target / folder).mkdir(parents=True)
    work = target / "work"
    etcd = _etcd(release, programs, work)
    for name in BINARIES:
        if (programs / name).exists():
            shutil.copy(programs / name, target / "bin" / name)
    for name in ("etcd", "etcdctl"):
        shutil.copy(etcd[f"usr/local/bin/{name}"], target / "bin" / name)
    listed = [_listed(target, "binary", path) for path in sorted((target / "bin").iterdir())]
    for name, made in _images(version, programs, etcd, work).items():
        path = target / "images" / f"{name}.tar"
        write(made, path)
        listed.append({**_listed(target, "image", path), "ref": made.ref})
    said = rootfs.says(image.tag(release.etcd_suite or release.suite), etcd["usr/local/bin/etcd"], "--version")
    manifest = {"kubernetesVersion": version, "etcdVersion": said.split()[2], "artifacts": listed}
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    shutil.rmtree(work)


def _images(version: str, programs: Path, etcd: dict[str, Path], work: Path) -> dict[str, Image]:
    release = artifacts.RELEASES[version]

    def plain(name: str, *aside: dict[str, Path], links: dict[str, str] | None = None) -> Image:
        path = f"usr/local/bin/{name}"
        files = {key: value for some in aside for key, value in some.items()}
        return Image(
            f"{release.registry}/{name}:{version}", [f"/{path}"], {**files, path: programs / name}, links or {}
        )

    def other(name: str, entrypoint: str, files: dict[str, Path]) -> Image:
        return Image(f"{release.registry}/{name}", [entrypoint], files, {})

    suite = image.ensure(release.suite)
    tools = rootfs.files(suite, PROXY_TOOLS + PROXY_MATCHES, [PROXY_LIBRARIES], work / "proxy")
    images = {name: plain(name) for name in CONTROL_PLANE}
    images["kube-proxy"] = plain("kube-proxy", tools, links=PROXY_LINKS)
    images["etcd"] = other(release.etcd, "/usr/local/bin/etcd", etcd)
    if (programs / "coredns").exists():
        images["coredns"] = other(release.coredns, "/coredns", {"coredns": programs / "coredns"})
    images["pause"] = other(release.pause, "/pause", {"pause": _pause(programs, work)})
    images["busybox"] = _busybox(suite, work)
    return images


def _etcd(release: artifacts.Release, programs: Path, work: Path) -> dict[str, Path]:
    if not release.etcd_suite:
        return {f"usr/local/bin/{name}": programs / name for name in ("etcd", "etcdctl")}
    found = rootfs.files(image.ensure(release.etcd_suite), ["/usr/bin/etcd", "/usr/bin/etcdctl"], [], work / "etcd")
    return {path.replace("usr/bin/", "usr/local/bin/"): local for path, local in found.items()}


def _pause(programs: Path, work: Path) -> Path:
    if (programs / "pause").exists():
        return programs / "pause"
    run("gcc", "-Os", "-static", "-o", work / "pause", HERE / "pause.c")
    return work / "pause"


def _busybox(suite: str, work: Path) -> Image:
    busybox = rootfs.files(suite, ["/bin/busybox"], [], work / "busybox")["bin/busybox"]
    applets = set(run(busybox, "--list").split()) - {"busybox"}
    links = {f"bin/{applet}": "busybox" for applet in applets}
    return Image(TEST_IMAGE, ["/bin/sh"], {"bin/busybox": busybox}, links, ("tmp", "etc", "www"))


def _listed(target: Path, kind: str, path: Path) -> dict[str, object]:
    relative = str(path.relative_to(target))
    return {"kind": kind, "name": path.stem, "file": relative, "sha256": sha256(path), "size": path.stat().st_size}
