"""What a cluster leaves on a host: processes, mounts, folders, network devices, firewall chains."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kubefort.errors import KubefortError
from kubefort.paths import ARTIFACTS
from kubefort.run import CommandFailed, run

from kubefort_agent.host import firewall

if TYPE_CHECKING:
    from kubefort_agent.host.host import Host

FOLDERS = (
    "/etc/kubernetes",
    "/var/lib/kubelet",
    "/var/lib/etcd",
    "/var/lib/cni",
    "/var/log/pods",
    "/var/log/containers",
    "/opt/kubefort",
    "/usr/libexec/kubernetes",  # kubelet makes its folder of volume plug-ins there
    "/var/lib/kubefort/secrets",
    "/var/lib/kubefort/units",
    "/var/lib/kubefort/artifacts",
    "/var/lib/kubefort-vip",
)
MOUNTS = ("/var/lib/kubelet/", "/run/netns/cni-", "/var/run/netns/cni-")
DEVICES = ("cni0",)
_ESCAPED = re.compile(r"\\([0-7]{3})")


def unused_folders(host: Host) -> tuple[str, ...]:
    """Those of FOLDERS in which no file lies: what will be in them is ours to remove."""
    return tuple(folder for folder in FOLDERS if not any(files for _, _, files in os.walk(host.path(folder))))


async def stop(host: Host) -> None:
    """Stop kubelet, every pod, and unmount what they mounted, so that files below can be removed."""
    await host.systemd.stop("kubelet.service")
    with contextlib.suppress(CommandFailed):
        await host.containerd.remove_containers()
    for point in mount_points(host.root):  # one that is mounted over another is there twice
        await run("umount", "--lazy", point, check=False)
        if "/netns/" in point:
            with contextlib.suppress(OSError):
                host.path(point).unlink()


def keep_artifacts(host: Host, digests: set[str]) -> None:
    """Remove the artifacts that nothing is made from any more, halves of fetched ones among them."""
    folder = host.path(ARTIFACTS)
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.name.removesuffix(".part") not in digests:
            file.unlink(missing_ok=True)


def mount_points(root: Path) -> list[str]:
    """Mount points of kubelet and CNI, the deepest first."""
    return sorted((point for point in _mounts(root) if point.startswith(MOUNTS)), key=len, reverse=True)


def _mounts(root: Path) -> list[str]:
    try:
        lines = (root / "proc/self/mounts").read_text().splitlines()
    except OSError:
        return []
    return [_ESCAPED.sub(lambda m: chr(int(m[1], 8)), line.split()[1]) for line in lines if len(line.split()) > 1]


def remove_control_groups(root: Path) -> None:
    """The pods' control groups, as far as nothing runs in them."""
    base = root / "sys/fs/cgroup"
    for pattern in ("kubepods*", "*/kubepods*"):
        for top in base.glob(pattern):
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


async def wipe(host: Host, folders: tuple[str, ...]) -> None:
    """Remove folders, devices and chains; containerd starts anew with the configuration it had before us."""
    inside = [point for point in _mounts(host.root) for folder in folders if point.startswith(f"{folder}/")]
    if inside:
        raise KubefortError(
            f"still mounted, so what is in there would be lost: {', '.join(sorted(inside))}",
            f"Find out who uses it (`fuser -vm {inside[0]}`) and `umount {inside[0]}`; the reset goes on by itself.",
        )
    for folder in folders:
        place = host.path(folder)
        if place.is_mount():
            for inner in place.iterdir():
                shutil.rmtree(inner) if inner.is_dir() and not inner.is_symlink() else inner.unlink()
        elif place.exists():
            shutil.rmtree(place)
    for device in DEVICES:
        if host.path(f"/sys/class/net/{device}").exists():
            await host.routes.remove_link(device)
    await firewall.remove_kubernetes()
    remove_control_groups(host.root)
    await host.systemd.reload()
    await run("systemctl", "try-restart", "containerd.service", check=False, timeout=90)
    host.verdicts.clear()
