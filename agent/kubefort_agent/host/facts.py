"""What a host is, as far as its desired state depends on it; and the facts that it reports."""

from __future__ import annotations

import itertools
import os
import platform
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from kubefort.model.status import Facts
from kubefort.run import CommandFailed, run

CAP_SYS_RESOURCE = 24

_RUNTIME_SOCKET = "/run/containerd/containerd.sock"
_CNI_FOLDERS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
_RESOLVED = "/run/systemd/resolve/resolv.conf"


@dataclass(frozen=True)
class HostFacts:
    """What desired state depends on.

    cgroup_driver      "systemd" or "cgroupfs": what kubelet and the runtime shall both use
    cgroup_version     1 or 2
    resolv_conf        the file kubelet shall give to pods; "" where the host has only loopback name servers, at which
                       CoreDNS would find a loop
    runtime_socket     path of the CRI socket, without scheme
    containerd_version like "1.7.24", "" where there is none
    os_family          "debian", "el", "suse", "arch" or "unknown"
    cni_bin_dir        where the CNI plugins lie
    oom_restricted     whether processes here cannot lower oom_score_adj (no CAP_SYS_RESOURCE)
    """

    cgroup_driver: str = "systemd"
    cgroup_version: int = 2
    resolv_conf: str = "/etc/resolv.conf"
    runtime_socket: str = _RUNTIME_SOCKET
    containerd_version: str = ""
    has_swap: bool = False
    os_family: str = "debian"
    cni_bin_dir: str = "/opt/cni/bin"
    oom_restricted: bool = False


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def os_release(root: Path = Path("/")) -> dict[str, str]:
    """The fields of /etc/os-release."""
    fields = {}
    for line in (_read(root / "etc/os-release") or _read(root / "usr/lib/os-release")).splitlines():
        name, equals, value = line.partition("=")
        if equals:
            fields[name.strip()] = value.strip().strip('"')
    return fields


def os_family(release: dict[str, str]) -> str:
    """The family of distributions that os-release's ID and ID_LIKE name."""
    words = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    families = {
        "debian": {"debian", "ubuntu"},
        "el": {"rhel", "fedora", "centos", "rocky", "almalinux", "ol"},
        "suse": {"suse", "opensuse", "sles"},
        "arch": {"arch"},
    }
    return next((family for family, names in families.items() if words & names), "unknown")


def cgroup_version(root: Path = Path("/")) -> int:
    return 2 if (root / "sys/fs/cgroup/cgroup.controllers").exists() else 1


def _cgroup_driver(version: int, root: Path) -> str:
    """On version 1 systemd may not own every controller's mount (it does not inside a container): cgroupfs is safe."""
    return "systemd" if version == 2 and (root / "run/systemd/system").is_dir() else "cgroupfs"


def _resolv_conf(root: Path) -> str:
    def usable(text: str) -> bool:
        servers = re.findall(r"^\s*nameserver\s+(\S+)", text, re.MULTILINE)
        return any(not server.startswith("127.") and server != "::1" for server in servers)

    for candidate in ("/etc/resolv.conf", _RESOLVED):
        if usable(_read(root / candidate.lstrip("/"))):
            return candidate
    return ""


def _oom_restricted(root: Path) -> bool:
    match = re.search(r"^CapBnd:\s*([0-9a-f]+)", _read(root / "proc/self/status"), re.MULTILINE)
    return match is not None and not int(match[1], 16) >> CAP_SYS_RESOURCE & 1


async def _containerd_version() -> str:
    try:
        output = await run("containerd", "--version", timeout=10)
    except CommandFailed:
        return ""
    match = re.search(r"\bv?(\d+\.\d+\.\d+)", output.stdout)
    return match[1] if match else ""


async def gather(root: Path = Path("/")) -> HostFacts:
    """Look at the host that lies at `root`."""
    version = cgroup_version(root)
    cni = next((f for f in _CNI_FOLDERS if (root / f.lstrip("/") / "bridge").exists()), _CNI_FOLDERS[0])
    return HostFacts(
        cgroup_driver=_cgroup_driver(version, root),
        cgroup_version=version,
        resolv_conf=_resolv_conf(root),
        containerd_version=await _containerd_version(),
        has_swap=len(_read(root / "proc/swaps").splitlines()) > 1,
        os_family=os_family(os_release(root)),
        cni_bin_dir=cni,
        oom_restricted=_oom_restricted(root),
    )


def _memory(root: Path) -> int:
    match = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo"), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def addresses(root: Path = Path("/")) -> tuple[str, ...]:
    """The host's own IPv4 addresses without loopback, read from the kernel's table of local routes."""
    found: list[str] = []
    lines = _read(root / "proc/net/fib_trie").splitlines()
    for before, line in itertools.pairwise(lines):
        if "/32 host LOCAL" in line:
            address = before.split()[-1]
            if not address.startswith("127.") and address not in found:
                found.append(address)
    return tuple(found)


def outgoing_address(towards: str = "192.0.2.1") -> str:
    """The address that this host sends from when it talks to `towards`; nothing is sent."""
    with socket.socket(socket.AF_INET6 if ":" in towards else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def report(root: Path = Path("/"), address: str = "") -> Facts:
    """The facts that go into the host's status; `address` where the caller knows which one the host uses."""
    return Facts(
        hostname=socket.gethostname(),
        machine_id=_read(root / "etc/machine-id").strip(),
        address=address or outgoing_address(),
        addresses=addresses(root),
        product_uuid=_read(root / "sys/class/dmi/id/product_uuid").strip(),
        os=os_release(root).get("PRETTY_NAME", ""),
        kernel=platform.release(),
        architecture=platform.machine(),
        cpus=len(os.sched_getaffinity(0)),
        memory=_memory(root),
        cgroup_version=cgroup_version(root),
        time=time.time(),
    )
