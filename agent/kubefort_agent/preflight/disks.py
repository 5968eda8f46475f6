"""Folders that must be empty, room, and how fast etcd's disk makes writes durable."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check

from kubefort_agent.host import Host

ROOM = {"/var/lib": 5 * 2**30, "/etc": 20 * 2**20}
SLOW_FSYNC = 0.010
"""etcd's own advice: the 99th percentile of wal_fsync below 10 ms."""


async def empty_folders(host: Host, spec: NodeSpec) -> list[Check]:
    """kubeadm's DirAvailable: another cluster's manifests or data are not ours to overwrite."""
    wanted = ["/etc/kubernetes/manifests", *(["/var/lib/etcd"] if spec.is_control_plane else [])]
    found = []
    for folder in wanted:
        place = host.path(folder)
        names = sorted(child.name for child in place.iterdir() if child.name != "lost+found") if place.is_dir() else []
        if names:
            name = "DirAvailable-" + re.sub(r"[^a-z0-9]", "-", folder)
            message = f"{folder} holds {', '.join(names[:5])}: it seems to belong to another cluster"
            found.append(Check(name, "error", message, f"Look at it, then move it away: mv {folder} {folder}.old"))
    return found


async def room(host: Host, spec: NodeSpec) -> list[Check]:
    """DiskSpace: what the bundle, its images and etcd need."""
    found = []
    for folder, least in ROOM.items():
        place = host.path(folder)
        needed = least + (3 * sum(artifact.size for artifact in spec.artifacts) if folder == "/var/lib" else 0)
        free = shutil.disk_usage(place).free if place.is_dir() else needed
        if free < needed:
            message = f"{free // 2**20} MiB are free in {folder}, needed are {needed // 2**20} MiB"
            hint = f"df -h {folder}   # make room, or mount a bigger disk"
            found.append(Check("DiskSpace", "error" if free < needed // 4 else "warning", message, hint))
    return found


async def etcd_latency(host: Host, spec: NodeSpec) -> list[Check]:
    """EtcdDiskLatency: the slowest but one of 50 small durable writes."""
    if not spec.is_control_plane:
        return []
    worst = await asyncio.to_thread(_fsync_latency, host.path("/var/lib"))
    if worst <= SLOW_FSYNC:
        return []
    took, wanted = f"{worst * 1000:.0f} ms", f"{SLOW_FSYNC * 1000:.0f} ms"
    message = f"a small durable write in /var/lib takes up to {took}, etcd wants below {wanted}"
    return [Check("EtcdDiskLatency", "warning", message, "Put /var/lib/etcd on a faster disk (SSD).")]


def _fsync_latency(folder: Path, writes: int = 50) -> float:
    """Seconds of the slowest but one; ends after two seconds at the latest."""
    took = []
    with tempfile.TemporaryFile(dir=folder) as file:
        ends = time.monotonic() + 2.0
        for _ in range(writes):
            file.write(b"\0" * 2300)
            file.flush()
            before = time.monotonic()
            os.fdatasync(file.fileno())
            took.append(time.monotonic() - before)
            if time.monotonic() > ends:
                break
    return sorted(took)[-2] if len(took) > 1 else took[0]


CHECKS = (empty_folders, room, etcd_latency)
