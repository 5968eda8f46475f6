"""One lab host: a container whose process 1 is systemd, with its disk and its cable.

created ──▶ on ◀── start ── off          crash, cut_power and stop take it from on to off
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import network, realtime
from tests.lab.disk import Disk
from tests.lab.machine import capability_arguments, process_start
from tests.lab.paths import cache
from tests.lab.shell import CommandError, LabError, run, run_coded, until

ENTER = Path(__file__).parent / "enter"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "container": "docker",
}


class HostOff(LabError):
    """The host has no power, so nothing can run on it."""


@dataclass(frozen=True)
class Host:
    """A host of a lab; get one from Lab.create or Lab.host.

    name: its host name; suite: trixie or bookworm; address: its IPv4 address on eth0, the same at every start.
    """

    lab: str
    name: str
    suite: str
    image: str
    address: str

    @property
    def container(self) -> str:
        """The Docker container's name."""
        return f"kubefort-lab-{self.lab}-{self.name}"

    @property
    def disk(self) -> Disk:
        folder = cache() / "labs" / self.lab
        return Disk(folder / f"{self.name}.ext4", folder / f"{self.name}.mnt")

    def create(self) -> None:
        """Make disk and container and switch it on; Lab.create calls this."""
        self.disk.create(self.image)
        self.disk.attach()
        run(
            *("docker", "run", "--detach", f"--name={self.container}", f"--hostname={self.name}"),
            *(f"--network={network.network_name(self.lab)}", f"--ip={self.address}"),
            *(f"--label=kubefort-lab={self.lab}", "--stop-signal=SIGRTMIN+3", "--cgroupns=private"),
            *(
                "--device-cgroup-rule=a *:* rwm",
                "--tmpfs=/run:exec",
                "--tmpfs=/tmp:exec",
                "--volume=/dev/kmsg:/dev/kmsg",
            ),
            *("--log-opt=max-size=1m", "--pids-limit=-1"),
            *(*capability_arguments(), *self.disk.binds(), self.image),
            timeout=120,
        )

    # -- commands and files

    def run(
        self,
        *argv: str | Path,
        check: bool = True,
        timeout: float = 60.0,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command as root; returns stdout (and stderr when it failed and check is False).

        timeout in seconds; then the command is killed on the host. Raises CommandError or HostOff.
        """
        return self.run_coded(*argv, check=check, timeout=timeout, stdin=stdin, env=env)[1]

    def run_coded(
        self,
        *argv: str | Path,
        check: bool = True,
        timeout: float = 60.0,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """As run; returns (exit code, output)."""
        variables = [f"{key}={value}" for key, value in {**ENVIRONMENT, **(env or {})}.items()]
        limit = ("timeout", "--kill-after=2", f"{timeout:.1f}")
        words = (ENTER, str(self._pid()), "/usr/bin/env", "-i", *variables, *limit, *argv)
        code, output = run_coded(*words, check=False, timeout=timeout + 10, stdin=stdin)
        shown = [f"{self.name}#", *map(str, argv)]
        if code == 124:
            raise CommandError(shown, None, output)
        if check and code != 0:
            raise CommandError(shown, code, output)
        return code, output

    def popen(self, *argv: str | Path) -> subprocess.Popen[bytes]:
        """Start a command and leave it running; its output is in the pipes. The caller ends it."""
        variables = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
        words = [str(word) for word in (ENTER, str(self._pid()), "/usr/bin/env", "-i", *variables, *argv)]
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def put(self, local: Path, remote: str, mode: int | None = None) -> None:
        """Copy a file, or a folder with all below it (then `remote` is the folder's new name); makes parent folders.

        mode: the file's, by default the local file's.
        """
        root = self._root()
        if local.is_dir():
            run("chroot", root, "mkdir", "-p", remote)
            with subprocess.Popen(["tar", "-C", local, "-c", "."], stdout=subprocess.PIPE) as source:
                assert source.stdout is not None
                _feed(source.stdout.fileno(), ["chroot", root, "tar", "-C", remote, "-x"])
            return
        with local.open("rb") as handle:
            self._write(handle.fileno(), remote, local.stat().st_mode & 0o7777 if mode is None else mode)

    def write(self, remote: str, content: str | bytes, mode: int = 0o644) -> None:
        """Write a file (not synced: a power cut loses it, unless the host syncs it); makes parent folders."""
        data = content.encode() if isinstance(content, str) else content
        run("chroot", self._root(), "mkdir", "-p", os.path.dirname(remote) or "/")
        run("chroot", self._root(), "dd", f"of={remote}", "status=none", stdin=data)
        run("chroot", self._root(), "chmod", f"{mode:o}", remote)

    def _write(self, handle: int, remote: str, mode: int) -> None:
        run("chroot", self._root(), "mkdir", "-p", os.path.dirname(remote) or "/")
        _feed(handle, ["chroot", self._root(), "dd", f"of={remote}", "bs=1M", "status=none"])
        run("chroot", self._root(), "chmod", f"{mode:o}", remote)

    def read(self, remote: str) -> str:
        """A file's text; raises CommandError when there is none."""
        return run("chroot", self._root(), "cat", remote)

    def exists(self, remote: str) -> bool:
        return run_coded("chroot", self._root(), "test", "-e", remote, check=False)[0] == 0

    def get(self, remote: str, local: Path) -> None:
        """Copy a folder's or a file's content below the folder `local`."""
        local.mkdir(parents=True, exist_ok=True)
        with subprocess.Popen(["chroot", self._root(), "tar", "-c", remote], stdout=subprocess.PIPE) as source:
            assert source.stdout is not None
            _feed(source.stdout.fileno(), ["tar", "-C", str(local), "-x"])

    # -- power

    @property
    def powered(self) -> bool:
        return self._find_pid() is not None

    def wait_boot(self, timeout: float = 120.0) -> str:
        """Wait until systemd has started everything; returns its state: running, or degraded when a unit failed."""
        deadline = time.monotonic() + timeout
        while True:
            left = max(1.0, deadline - time.monotonic())
            said = self.run("systemctl", "is-system-running", "--wait", check=False, timeout=left).strip()
            if said in ("running", "degraded"):
                return said
            if time.monotonic() > deadline:
                raise LabError(f"{self.name}: not booted within {timeout:.0f} s, systemd says {said!r}")
            time.sleep(0.2)

    def crash(self) -> None:
        """Everything dies at once, as at a kernel panic, but the disk keeps all that was written."""
        self.kill()
        self.wait_off()

    def cut_power(self) -> None:
        """Everything dies at once, and what was not fsynced is gone. For several hosts at once: Lab.cut_power."""
        self.unplug_for_good()
        self.disk.cut()
        self.kill()
        self.wait_off()
        self.disk.detach()

    def start(self) -> None:
        """Switch on (again); does not wait for the boot. Idempotent."""
        if not self.powered:
            self.disk.attach()
            run("docker", "start", self.container, timeout=120)
            realtime.grant()

    restore_power = start

    def stop(self, timeout: float = 90.0) -> None:
        """Shut down properly, as `poweroff` does."""
        run("docker", "stop", f"--time={timeout:.0f}", self.container, timeout=timeout + 30)

    def reboot(self, timeout: float = 120.0) -> None:
        """Shut down properly, start, and wait for the boot."""
        self.stop()
        self.start()
        self.wait_boot(timeout)

    def kill(self) -> None:
        """SIGKILL to init, with which the kernel kills everything on the host; returns at once."""
        pid = self._find_pid()
        if pid is not None:
            os.kill(pid, 9)

    def wait_off(self, timeout: float = 60.0) -> None:
        def off() -> bool:
            return run("docker", "inspect", "-f", "{{.State.Running}}", self.container).strip() == "false"

        until(f"{self.name} is off", off, timeout)

    # -- faults

    def cable(self) -> str:
        """The machine's end of this host's cable."""
        return network.cable(self._pid())

    def pull_cable(self) -> None:
        """eth0 loses its carrier; addresses stay. A start plugs it in again."""
        network.set_cable(self.cable(), plugged=False)

    def plug_cable(self) -> None:
        network.set_cable(self.cable(), plugged=True)

    def unplug_for_good(self) -> None:
        """As pull_cable, on a host that is about to die and may have died already."""
        if self.powered:
            self.pull_cable()

    @staticmethod
    def with_clock(offset_seconds: int, *argv: str) -> list[str]:
        """`argv`, seeing its clock that much ahead: host.run(*host.with_clock(40, "date"))."""
        return ["faketime", "-f", f"{offset_seconds:+d}s", *argv]

    def fill_disk(self, path: str, leave_mib: int = 0) -> None:
        """Fill the file system that holds the folder `path` but for `leave_mib` MiB, with a file .lab-fill there."""
        stat = os.statvfs(self._root() / path.lstrip("/"))
        size = stat.f_bavail * stat.f_frsize - leave_mib * 2**20
        self.run("fallocate", f"--length={max(size, 1)}", f"{path}/.lab-fill", check=False)
        if not leave_mib:
            self.run("dd", "if=/dev/zero", f"of={path}/.lab-fill2", "bs=64K", check=False, timeout=300)

    def free_disk(self, path: str) -> None:
        """Undo fill_disk."""
        self.run("rm", "-f", f"{path}/.lab-fill", f"{path}/.lab-fill2")

    def allow_realtime(self, unit: str) -> None:
        """Let a systemd service of the host have real-time scheduling, from its next start on."""
        if realtime.grant():
            self.write(*realtime.drop_in(unit))
            self.run("sync")
            self.run("systemctl", "daemon-reload")

    # -- the container

    def remove(self) -> None:
        """Container and disk are gone afterwards."""
        self.kill()
        run_coded("docker", "rm", "--force", "--volumes", self.container, check=False, timeout=120)
        self.disk.remove()

    def _find_pid(self) -> int | None:
        inspect = ("docker", "inspect", "--type=container", "-f", "{{.State.Pid}}", self.container)
        code, said = run_coded(*inspect, check=False, timeout=30)
        if code != 0 and "No such container" not in said:
            raise CommandError(inspect, code, said)
        return int(said) if code == 0 and int(said) else None

    def _pid(self) -> int:
        """Init's process id on the machine; asked of Docker once a boot."""
        known = _inits.get(self.container)
        if known is not None and process_start(known[0]) == known[1]:
            return known[0]
        pid = self._find_pid()
        started = process_start(pid) if pid is not None else None
        if pid is None or started is None:
            raise HostOff(f"{self.name} is off{self._last_words()}")
        _inits[self.container] = (pid, started)
        return pid

    def _last_words(self) -> str:
        """Why the container ended, when Docker knows."""
        state = run(
            "docker", "inspect", "-f", "{{.State.Status}}, code {{.State.ExitCode}}", self.container, check=False
        )
        said = run("docker", "logs", "--tail=5", self.container, check=False)
        return f" ({state.strip()}) {said.strip()[-500:]}".rstrip()

    def _root(self) -> Path:
        return Path(f"/proc/{self._pid()}/root")


_inits: dict[str, tuple[int, str]] = {}
"""container -> its init's pid and start: asking Docker each time would take longer than most commands."""


def _feed(handle: int, argv: Sequence[str | Path]) -> None:
    done = subprocess.run(
        argv, stdin=handle, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=600, check=False
    )
    if done.returncode != 0:
        raise CommandError([str(word) for word in argv], done.returncode, done.stderr.decode(errors="replace"))
