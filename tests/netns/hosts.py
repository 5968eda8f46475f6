"""Hosts as network namespaces on one bridge, with kubefort-vip or keepalived in them. Needs root, leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

VIP, VIP6 = "10.99.0.100", "fd99::100"
ROOT = Path(__file__).parents[2]
KEEPALIVED_24 = Path(
    os.environ.get("KUBEFORT_KEEPALIVED", ROOT.parent / "shared" / "keepalived" / "keepalived-2.4.3-linux-amd64")
)


def sh(*argv: str, check: bool = True) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)}: {done.stderr}")
    return done.stdout


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """Poll until the condition is true; generous, as the machine may be busy."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


class Host:
    """A network namespace with eth0 on the bridge, 10.99.0.N/24 and fd99::N/64."""

    def __init__(self, number: int, prefix: str, folder: Path) -> None:
        self.number, self.folder = number, folder
        self.namespace = f"{prefix}h{number}"
        self.port = f"{prefix}p{number}"
        self.address, self.address6 = f"10.99.0.{number}", f"fd99::{number}"
        self.process: subprocess.Popen[bytes] | None = None
        self.server: subprocess.Popen[bytes] | None = None
        self.log = folder / f"log{number}"
        self.config = folder / f"vip{number}.json"
        self.run_folder = folder / f"run{number}"

    def inside(self, *argv: str, check: bool = True) -> str:
        return sh("ip", "netns", "exec", self.namespace, *argv, check=check)

    def spawn(self, *argv: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *argv], stdout=log, stderr=log, start_new_session=True
            )
        return self.process

    def write(self, **settings: Any) -> None:
        base: dict[str, Any] = {"interface": "eth0", "addresses": [f"{VIP}/32"], "vrid": 51, "source": self.address}
        document = {**base, "priority": 255 - self.number, **settings}
        temporary = self.config.with_suffix(".new")
        temporary.write_text(json.dumps(document))
        temporary.rename(self.config)

    def vip(self, **settings: Any) -> Host:
        self.write(**settings)
        return self.start()

    def start(self) -> Host:
        """kubefort-vip with the file that was written."""
        (self.run_folder / "vip.sock").unlink(missing_ok=True)
        folders = ("--run-folder", str(self.run_folder), "--state-folder", str(self.folder / f"state{self.number}"))
        self.spawn(sys.executable, "-m", "kubefort_agent.vip.main", "run", "--config", str(self.config), *folders)
        wait_for(lambda: (self.run_folder / "vip.sock").exists(), f"status socket of {self.namespace}: {self.said()}")
        return self

    def keepalived(self, program: str = "keepalived", version: int = 3, extra: str = "", **settings: Any) -> Host:
        words = {"priority": 200, "advert_int": 0.1, **settings}
        lines = "\n".join(f"  {name} {value}" for name, value in words.items())
        address = "fe80::5e:1/64\n    fd99::100/128" if "IPV6" in extra else f"{VIP}/32"
        extra = extra.replace("IPV6", "")
        path = self.folder / f"keepalived{self.number}.conf"
        path.write_text(
            f"global_defs {{\n  vrrp_version {version}\n  vrrp_garp_master_delay 1\n}}\n"
            f"vrrp_instance VI {{\n  state BACKUP\n  interface eth0\n  virtual_router_id 51\n{lines}\n{extra}\n"
            f"  virtual_ipaddress {{\n    {address}\n  }}\n}}\n"
        )
        pids = (f"--pid={self.folder}/k{self.number}.pid", f"--vrrp_pid={self.folder}/kv{self.number}.pid")
        # A build without LVS has VRRP only, and does not know the option for that.
        only_vrrp = () if program == str(KEEPALIVED_24) else ("-P",)
        self.spawn(program, "-n", "-l", *only_vrrp, "-f", str(path), *pids)
        return self

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            if number in (signal.SIGKILL, signal.SIGTERM):
                self.process.wait(20)

    def ask(self, command: str = "status", **more: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.settimeout(10)
            unix.connect(str(self.run_folder / "vip.sock"))
            unix.sendall(json.dumps({"command": command, **more}).encode() + b"\n")
            data = b""
            while chunk := unix.recv(65536):
                data += chunk
        answer: dict[str, Any] = json.loads(data)
        return answer

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.ask()["status"]
        return status

    def told(self) -> dict[str, Any]:
        """The status for a failure's message; nothing when there is none."""
        with contextlib.suppress(OSError):
            return self.status()
        return {}

    def holds(self, address: str = VIP) -> bool:
        # Nothing is held by an interface that is not there.
        said = sh("ip", "-n", self.namespace, "-j", "address", "show", "dev", "eth0", check=False)
        found = json.loads(said or "[]")
        return any(entry.get("local") == address for link in found for entry in link.get("addr_info", []))

    def cable(self, plugged: bool) -> None:
        """Pull at the switch's side: the host's own interface loses its carrier too."""
        sh(
            "ip",
            "-n",
            self.namespace[: self.namespace.rindex("h")] + "sw",
            "link",
            "set",
            self.port,
            "up" if plugged else "down",
        )

    def mute(self, muted: bool) -> None:
        """Drop everything that leaves the host, with its link staying up."""
        kind = ("add" if muted else "del", "dev", "eth0", "root")
        sh("tc", "-n", self.namespace, "qdisc", *kind, *(("pfifo", "limit", "0") if muted else ()), check=False)

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Lab:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = f"kv{os.getpid() % 100000}"
        self.switch = f"{self.prefix}sw"
        self.hosts: list[Host] = []
        sh("ip", "netns", "add", self.switch)
        sh("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        sh("ip", "-n", self.switch, "link", "set", "br0", "up")

    def host(self) -> Host:
        host = Host(len(self.hosts) + 1, self.prefix, self.folder)
        self.hosts.append(host)
        space = host.namespace
        sh("ip", "netns", "add", space)
        sh("ip", "link", "add", host.port, "netns", self.switch, "type", "veth", "peer", "name", "eth0", "netns", space)
        sh("ip", "-n", self.switch, "link", "set", host.port, "master", "br0", "up")
        host.inside("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0", check=False)
        sh("ip", "-n", space, "link", "set", "lo", "up")
        sh("ip", "-n", space, "link", "set", "eth0", "up")
        sh("ip", "-n", space, "address", "add", f"{host.address}/24", "dev", "eth0")
        sh("ip", "-n", space, "address", "add", f"{host.address6}/64", "dev", "eth0", "nodad")
        return host

    def holders(self, address: str = VIP) -> list[int]:
        return [host.number for host in self.hosts if host.holds(address)]

    def wait_holder(self, *numbers: int, address: str = VIP) -> None:
        def found() -> bool:
            return self.holders(address) == list(numbers)

        try:
            wait_for(found, f"holders {list(numbers)}")
        except AssertionError as error:
            logs = "\n".join(f"--- {host.namespace} {host.told()}\n{host.said()[-3000:]}" for host in self.hosts)
            raise AssertionError(f"{error}, but {self.holders(address)}\n{logs}") from None

    def close(self) -> None:
        for host in self.hosts:
            host.kill()
            if host.server is not None:
                host.server.kill()
                host.server.wait(20)
            sh("ip", "netns", "delete", host.namespace, check=False)
        sh("ip", "netns", "delete", self.switch, check=False)
