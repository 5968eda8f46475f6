"""Kernel parameters and modules."""

from __future__ import annotations

import platform
from pathlib import Path

from kubefort.run import CommandFailed, run

FEATURES = {
    "br_netfilter": "/proc/sys/net/bridge",
    "overlay": "overlay",
    "nf_conntrack": "/proc/sys/net/netfilter/nf_conntrack_max",
    "ip_vs": "/proc/net/ip_vs",
}
"""What shows that a module's feature is in the kernel, built in or loaded: a path, or the name of a file system."""


def sysctl_path(name: str, root: Path) -> Path:
    """net.ipv4.ip_forward → /proc/sys/net/ipv4/ip_forward; a name with slashes may hold dots (net/ipv4/conf/eth0.1)."""
    return root / "proc/sys" / (name if "/" in name else name.replace(".", "/"))


def read_sysctl(name: str, root: Path) -> str | None:
    """A parameter's value with single spaces; None where the kernel has no such parameter."""
    try:
        return " ".join(sysctl_path(name, root).read_text().split())
    except OSError:
        return None


def write_sysctl(name: str, value: str, root: Path) -> None:
    sysctl_path(name, root).write_text(f"{value}\n")


def has_module(name: str, root: Path) -> bool:
    """Whether a module is loaded or built in, as far as anything in /proc, /sys or /lib/modules tells."""
    wanted = name.replace("-", "_")
    if (root / "sys/module" / wanted).is_dir():
        return True
    feature = FEATURES.get(wanted)
    if feature is not None:
        if feature.startswith("/"):
            if (root / feature.lstrip("/")).exists():
                return True
        elif feature in _read(root / "proc/filesystems").split():
            return True
    if any(line.split()[0] == wanted for line in _read(root / "proc/modules").splitlines() if line.split()):
        return True
    builtin = _read(root / "lib/modules" / platform.release() / "modules.builtin")
    return any(Path(line).name.removesuffix(".ko").replace("-", "_") == wanted for line in builtin.splitlines())


async def load_module(name: str, root: Path) -> str:
    """Load a module; what modprobe said where it could not and the feature is not there either, else ""."""
    try:
        await run("modprobe", "--", name, timeout=30)
    except CommandFailed as error:
        return "" if has_module(name, root) else str(error)
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
