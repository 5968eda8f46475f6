"""Images of lab hosts: Debian with systemd, containerd and Docker; debootstrap makes them, the recipe names them."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from pathlib import Path

from tests.lab.paths import cache, locked
from tests.lab.shell import pipe, run, run_coded, step

RECIPE = Path(__file__).parent / "recipe"
SUITES = ("trixie", "bookworm")
MIRROR = os.environ.get("KUBEFORT_LAB_MIRROR", "http://deb.debian.org/debian")
BASE = ("ca-certificates", "systemd", "systemd-sysv", "dbus", "udev", "kmod", "procps", "netbase", "libpam-systemd")
PACKAGES = (
    *("iproute2", "iptables", "nftables", "ethtool", "socat", "conntrack", "iputils-ping", "iputils-arping", "tcpdump"),
    *(
        "python3",
        "python3-venv",
        "e2fsprogs",
        "curl",
        "openssl",
        "faketime",
        "busybox-static",
        "psmisc",
        "less",
        "zstd",
    ),
    *("containerd", "runc", "docker.io", "containernetworking-plugins", "haproxy", "nginx-light"),
    *("etcd-server", "etcd-client", "bash-completion"),
)
ONLY_IN = {"trixie": ("docker-cli",), "bookworm": ()}


def tag(suite: str) -> str:
    """The image's name: its tag is a hash of all that the image is made of."""
    parts = [suite, MIRROR, platform.machine(), *BASE, *PACKAGES, *ONLY_IN[suite]]
    parts += [path.read_text() for path in sorted(RECIPE.iterdir())]
    return f"kubefort-lab/{suite}:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def ensure(suite: str) -> str:
    """The image of `suite`, built when this machine has none (1 to 3 minutes); returns its tag."""
    if suite not in SUITES:
        raise ValueError(f"suite {suite!r}: the lab knows {', '.join(SUITES)}")
    name = tag(suite)
    with locked(f"image-{suite}"):
        if run_coded("docker", "image", "inspect", name, check=False, timeout=60)[0] != 0:
            with step(f"building the {suite} host image (once)"):
                _build(suite, name)
    return name


def _build(suite: str, name: str) -> None:
    root = cache() / f"build-{suite}"
    _remove(root)
    # security support and updates come with debootstrap's own list only: enough for a lab
    run(
        *("debootstrap", "--variant=minbase", f"--include={','.join(BASE)}"),
        *(suite, root, MIRROR),
        timeout=1200,
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )
    shutil.copytree(RECIPE, root / "lab")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    run("chroot", root, "/bin/sh", "/lab/build", *PACKAGES, *ONLY_IN[suite], timeout=1200)
    change = ["--change", 'ENTRYPOINT ["/usr/sbin/lab-entry"]', "--change", "ENV container=docker"]
    half = f"{name}-half"
    pipe(["tar", "-C", root, "-c", "."], ["docker", "import", *change, "-", half], timeout=600)
    run("docker", "tag", half, name)
    run("docker", "rmi", half)
    _forget_older(suite, name)
    _remove(root)


def _remove(root: Path) -> None:
    for point in ("proc", "sys"):
        run_coded("umount", "-l", root / point, check=False)
    if root.exists():
        run("rm", "-rf", "--one-file-system", root, timeout=300)


def _forget_older(suite: str, name: str) -> None:
    for other in run("docker", "images", "--format={{.Repository}}:{{.Tag}}", f"kubefort-lab/{suite}").split():
        if other != name:
            run_coded("docker", "rmi", other, check=False, timeout=120)  # refused while a host uses it: kept
