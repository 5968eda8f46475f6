"""The machine itself: processors, memory, kernel, name, clock, privileges."""

from __future__ import annotations

import os
import platform
import re
import socket
from pathlib import Path

from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check
from kubefort.run import CommandFailed, run

from kubefort_agent.host import Host, facts, kernel, swap

CONTROL_PLANE_CPUS = 2
CONTROL_PLANE_MEMORY = 1700 * 10**6
WORKER_MEMORY = 700 * 10**6
OLDEST_KERNEL = (4, 19)
CONTROLLERS = ("cpu", "cpuset", "memory", "pids")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


async def privileges(host: Host, spec: NodeSpec) -> list[Check]:
    """kubeadm's IsPrivilegedUser."""
    user = os.geteuid()
    if user == 0:
        return []
    message = f"the agent runs as user {user}, needed is root"
    return [Check("IsPrivilegedUser", "error", message, "systemctl edit kubefort-agent   # remove User=")]


async def processors(host: Host, spec: NodeSpec) -> list[Check]:
    """kubeadm's NumCPU: two on a control plane."""
    found = len(os.sched_getaffinity(0))
    if not spec.is_control_plane or found >= CONTROL_PLANE_CPUS:
        return []
    return [
        Check(
            "NumCPU",
            "error",
            f"{found} processor, a control-plane host needs {CONTROL_PLANE_CPUS}",
            "Give the machine another processor.",
        )
    ]


async def memory(host: Host, spec: NodeSpec) -> list[Check]:
    """kubeadm's Mem: 1700 MB on a control plane."""
    found = facts.report(host.root, spec.node.address).memory
    needed = CONTROL_PLANE_MEMORY if spec.is_control_plane else WORKER_MEMORY
    if found >= needed:
        return []
    message = f"{found // 10**6} MB of memory, needed are {needed // 10**6} MB"
    return [Check("Mem", "error" if spec.is_control_plane else "warning", message, "Give the machine more memory.")]


async def system(host: Host, spec: NodeSpec) -> list[Check]:
    """kubeadm's SystemVerification: kernel and control groups."""
    found = []
    release = platform.release()
    version = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    if version < OLDEST_KERNEL:
        wanted = ".".join(map(str, OLDEST_KERNEL))
        found.append(
            Check("SystemVerification", "error", f"kernel {release}, needed is {wanted}", "Upgrade the kernel.")
        )
    missing = [name for name in CONTROLLERS if name not in _controllers(host.root)]
    if missing:
        found.append(
            Check(
                "SystemVerification",
                "error",
                f"the kernel's control groups lack {', '.join(missing)}",
                "Enable them on the kernel's command line, e.g. cgroup_enable=memory.",
            )
        )
    return found


def _controllers(root: Path) -> set[str]:
    version_2 = root / "sys/fs/cgroup/cgroup.controllers"
    if version_2.exists():
        return {*version_2.read_text().split()}
    try:
        rows = (root / "proc/cgroups").read_text().splitlines()[1:]
    except OSError:
        return set()
    return {row.split()[0] for row in rows if row.split()[-1] == "1"}


async def host_name(host: Host, spec: NodeSpec) -> list[Check]:
    """A node's name is a DNS subdomain in lower case, and resolves to an address that others reach."""
    name = spec.node.name
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        hint = "hostnamectl set-hostname NAME   # lower-case letters, digits, '-' and '.'"
        return [Check("Hostname", "error", f"{name!r} is not a DNS name in lower case", hint)]
    found = []
    actual = socket.gethostname()
    if actual.lower() != name:
        message = f"this host calls itself {actual}, and joined as {name}"
        found.append(Check("Hostname", "warning", message, f"hostnamectl set-hostname {name}"))
    address = _in_hosts_file(host.path("/etc/hosts"), actual)
    if address.startswith("127."):
        message = f"/etc/hosts says that {actual} is {address}, an address that nobody else reaches"
        found.append(Check("Hostname", "warning", message, f"Write `{spec.node.address} {actual}` into /etc/hosts."))
    return found


def _in_hosts_file(path: Path, name: str) -> str:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        words = line.partition("#")[0].split()
        if name in words[1:]:
            return words[0]
    return ""


async def time_sync(host: Host, spec: NodeSpec) -> list[Check]:
    """Somebody keeps the clock right. The coordinator checks how far it is off."""
    try:
        output = await run("timedatectl", "show", "--property=NTPSynchronized", "--value", timeout=10)
        if output.stdout.strip() == "yes":
            return []
        said = "timedatectl says that the clock is not synchronised"
    except CommandFailed:
        said = "timedatectl does not answer"
    hint = "apt-get install chrony   # or: systemctl enable --now systemd-timesyncd"
    return [Check("TimeSync", "warning", said, hint)]


async def swap_areas(host: Host, spec: NodeSpec) -> list[Check]:
    """Only told: swap is turned off at the next stage."""
    areas = swap.areas(host.root)
    return [Check("Swap", "warning", f"{', '.join(areas)} is in use and will be turned off")] if areas else []


async def modules(host: Host, spec: NodeSpec) -> list[Check]:
    """Modules are loaded at the next stage; one of which nothing is found is told now."""
    found = []
    for name in ("overlay", "br_netfilter"):
        if not kernel.has_module(name, host.root) and not await _can_load(name):
            hint = "Install the kernel's modules; on Debian: apt-get install linux-image-$(uname -r)"
            found.append(Check(f"Module-{name}", "error", f"the kernel has no module {name}", hint))
    return found


async def _can_load(name: str) -> bool:
    try:
        await run("modprobe", "--dry-run", "--", name, timeout=10)
    except CommandFailed:
        return False
    return True


CHECKS = (privileges, processors, memory, system, host_name, time_sync, swap_areas, modules)
