"""Make this machine able to run lab hosts: packages, and a Docker engine that answers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.lab.paths import cache, locked
from tests.lab.shell import CommandError, LabError, run, say, step, until

# program -> Debian package that brings it
TOOLS = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "debootstrap": "debootstrap",
    "zstd": "zstd",
    "xz": "xz-utils",
    "gcc": "gcc",
    "iptables": "iptables",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "capsh": "libcap2-bin",
}
FREE_GIB = 30
SOCKET = Path("/var/run/docker.sock")
PIDFILE = Path("/var/run/docker.pid")
# All hosts share this machine's kernel and these limits of it; each host alone would have them for itself.
LIMITS = {"max_user_instances": 8192, "max_user_watches": 1048576}


def prepare() -> None:
    """Install what is missing and start dockerd if none answers. Idempotent; safe in several processes at once."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it starts hosts, mounts disks and cuts cables; run it with sudo")
    with locked("machine"):
        _install()
        free = shutil.disk_usage(cache()).free / 2**30
        if free < FREE_GIB / 3:
            raise LabError(
                f"{free:.0f} GiB free in {cache()}, the lab needs {FREE_GIB} GiB; `make lab-clean` frees its cache"
            )
        if free < FREE_GIB:
            say(f"warning: {free:.0f} GiB free in {cache()}, five hosts may need up to {FREE_GIB} GiB")
        _raise_limits()
        _engine()


def _raise_limits() -> None:
    for name, wanted in LIMITS.items():
        limit = Path("/proc/sys/fs/inotify") / name
        if int(limit.read_text()) < wanted:
            limit.write_text(str(wanted))


def has_every_capability() -> bool:
    """Whether `--privileged` can work here: the bounding set holds CAP_SYS_RESOURCE."""
    return "cap_sys_resource" in _bounding_set()


def capability_arguments() -> list[str]:
    """`docker run` arguments that give a host every capability that this machine can give."""
    if has_every_capability():
        return ["--privileged"]
    refused = {"cap_sys_resource", "cap_bpf", "cap_perfmon", "cap_checkpoint_restore"}  # the last three: docker 20.10
    caps = [name for name in _bounding_set() if name not in refused]
    unconfined = [f"--security-opt={area}=unconfined" for area in ("seccomp", "apparmor", "systempaths")]
    return [*(f"--cap-add={name.removeprefix('cap_').upper()}" for name in caps), *unconfined]


def _bounding_set() -> list[str]:
    for line in run("capsh", "--print").splitlines():
        if line.startswith("Bounding set ="):
            return line.partition("=")[2].split(",")
    raise LabError("`capsh --print` shows no bounding set")


def _install() -> None:
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if not missing:
        return
    with step(f"installing {', '.join(missing)}"):
        apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=600"]
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(*apt, "update", timeout=300, env=quiet)
        run(*apt, "install", "-y", "--no-install-recommends", *missing, timeout=900, env=quiet)


def answers(timeout: float = 10.0) -> bool:
    """Whether a Docker engine answers at the default socket within `timeout` seconds."""
    try:
        return bool(run("docker", "version", "--format", "{{.Server.Version}}", timeout=timeout).strip())
    except CommandError:
        return False


def _engine() -> None:
    if answers():
        return
    if Path("/run/systemd/system").is_dir():
        run("systemctl", "start", "docker", timeout=120)
        until("dockerd answers", answers, 60)
        return
    _end_former()
    with step("starting dockerd"):
        log = (cache() / "dockerd.log").open("ab")
        process = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )
        (cache() / "dockerd.pid").write_text(f"{process.pid} {process_start(process.pid)}")
        try:
            until("dockerd answers", lambda: process.poll() is not None or answers(3), 60, 0.3)
        except LabError as error:
            raise LabError(f"{error}; its log is {cache() / 'dockerd.log'}") from None
        if process.poll() is not None:
            tail = (cache() / "dockerd.log").read_text(errors="replace")[-2000:]
            raise LabError(f"dockerd ended at once with {process.returncode}: {tail}")


def _end_former() -> None:
    """Clear what an earlier dockerd of ours left: a hung process, its containerd, stale pid files, frozen hosts."""
    for state in Path("/sys/fs/cgroup/freezer/docker").glob("*/freezer.state"):
        state.write_text("THAWED")
    former = _recorded()
    if former:
        say(f"the dockerd that the lab started (process {former}) does not answer: ending it")
        family = [former, *_children(former)]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in family:
                if Path(f"/proc/{pid}").exists():
                    os.kill(pid, number)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and any(_alive(pid) for pid in family):
                time.sleep(0.2)
    for pidfile in (PIDFILE, Path("/var/run/docker/containerd/containerd.pid")):
        try:
            pid = int(pidfile.read_text())
        except (OSError, ValueError):
            continue
        if _alive(pid) and _name(pid) in ("dockerd", "containerd"):
            raise LabError(
                f"process {pid} ({_name(pid)}) does not answer, and the lab did not start it: end it yourself"
            )
        pidfile.unlink()


def _recorded() -> int | None:
    try:
        pid, started = (cache() / "dockerd.pid").read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if _alive(int(pid)) and process_start(int(pid)) == started else None


def _children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _alive(pid: int) -> bool:
    return process_start(pid) is not None


def process_start(pid: int) -> str | None:
    """A live process' start in clock ticks since boot, None when there is none: with the pid it names it for good."""
    stat = _stat(pid)
    return stat[19] if stat and stat[0] != "Z" else None


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
