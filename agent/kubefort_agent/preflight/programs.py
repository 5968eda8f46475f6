"""Programs that kubelet, kube-proxy and we call, and the container runtime."""

from __future__ import annotations

import re
import shutil

from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check

from kubefort_agent.host import Host, facts

NEEDED = ("iptables", "ip", "mount", "nsenter", "umount", "modprobe", "sysctl", "systemctl")
"""kubeadm's FileExisting (preflight/checks.go), and our own: error without."""

USEFUL = ("conntrack", "ethtool", "socat", "tc", "touch")
"""Without these single features are missing: kubeadm warns."""

PACKAGES = {
    "conntrack": {"debian": "conntrack", "el": "conntrack-tools"},
    "ip": {"debian": "iproute2", "el": "iproute"},
    "tc": {"debian": "iproute2", "el": "iproute-tc"},
    "nsenter": {"debian": "util-linux", "el": "util-linux"},
    "mount": {"debian": "mount", "el": "util-linux"},
    "umount": {"debian": "mount", "el": "util-linux"},
    "modprobe": {"debian": "kmod", "el": "kmod"},
    "sysctl": {"debian": "procps", "el": "procps-ng"},
}
_CRI_DISABLED = re.compile(r'^\s*disabled_plugins\s*=.*"(io\.containerd\.grpc\.v1\.)?cri"', re.MULTILINE)

CNI_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
INSTALL = {"debian": "apt-get install", "el": "dnf install", "suse": "zypper install", "arch": "pacman -S"}


async def existing(host: Host, spec: NodeSpec) -> list[Check]:
    """kubeadm's FileExisting-NAME. conntrack is needed by kube-proxy before 1.32 only, so a warning from there on."""
    family = facts.os_family(facts.os_release(host.root))
    needed = (*NEEDED, "conntrack") if _minor(spec) < 32 else NEEDED
    found = []
    for name in dict.fromkeys((*needed, *USEFUL)):
        if shutil.which(name) is None:
            package = PACKAGES.get(name, {}).get(family, name)
            hint = f"{INSTALL.get(family, 'install the package')} {package}"
            message = f"{name} is not found in PATH"
            found.append(Check(f"FileExisting-{name}", "error" if name in needed else "warning", message, hint))
    return found


def _minor(spec: NodeSpec) -> int:
    match = re.match(r"v?\d+\.(\d+)", spec.cluster.kubernetes_version)
    return int(match[1]) if match else 99


async def runtime(host: Host, spec: NodeSpec) -> list[Check]:
    """kubeadm's CRI: containerd is installed. Its configuration is ours to write, so an odd one is only told."""
    state = await host.systemd.show("containerd.service")
    family = facts.os_family(facts.os_release(host.root))
    if not state.exists or shutil.which("containerd") is None:
        package = {"debian": "containerd", "el": "containerd.io"}.get(family, "containerd")
        hint = f"{INSTALL.get(family, 'install the package')} {package}"
        return [Check("CRI", "error", "containerd is not installed", hint)]
    found = []
    if not state.running:
        message = f"containerd.service is {state.active} and will be started"
        found.append(Check("CRI", "warning", message, "systemctl enable --now containerd"))
    config = host.path("/etc/containerd/config.toml")
    if config.exists() and _CRI_DISABLED.search(config.read_text(errors="replace")):
        message = "containerd's CRI plugin is disabled in /etc/containerd/config.toml (Docker's package does that)"
        found.append(Check("CRI", "warning", f"{message}; the file will be replaced, and put back by reset"))
    return found


async def network_plugins(host: Host, spec: NodeSpec) -> list[Check]:
    """The plugins that the pod network of our own calls."""
    if spec.cluster.pod_network != "routed":
        return []
    folder = (await facts.gather(host.root)).cni_bin_dir
    missing = [name for name in CNI_PLUGINS if not host.path(f"{folder}/{name}").exists()]
    if not missing:
        return []
    family = facts.os_family(facts.os_release(host.root))
    hint = f"{INSTALL.get(family, 'install the package')} containernetworking-plugins"
    return [Check("CNI", "error", f"the CNI plugins {', '.join(missing)} are not in {folder}", hint)]


CHECKS = (existing, runtime, network_plugins)
