"""What runs on the host's own network, read from /proc: who listens, and processes by their program's name."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from kubefort.errors import KubefortError

LISTEN = "0A"
LOOK_S = 0.1


def listening(root: Path = Path("/")) -> set[int]:
    """TCP ports that somebody listens on (/proc/net/tcp: address:port in hexadecimal, state)."""
    ports: set[int] = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (root / "proc/net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def named(name: str, root: Path = Path("/")) -> list[int]:
    """Processes of a program on the host's network; those in networks of their own are other people's."""
    return [pid for pid, program in _programs(root) if program == name]


def _programs(root: Path) -> Iterator[tuple[int, str]]:
    proc = root / "proc"
    own = _network(proc / "self")
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                program = (folder / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
                if program and _network(folder) == own:
                    yield int(folder.name), os.path.basename(program)


def _network(folder: Path) -> str:
    try:
        return os.readlink(folder / "ns/net")
    except OSError:
        return ""


async def gone(name: str, ports: tuple[int, ...], exclusive: bool, root: Path, timeout: float = 90.0) -> None:
    """Wait until nobody listens on the ports; `exclusive`: and no process of that name is left.

    Raises KubefortError after `timeout` seconds.
    """
    end = time.monotonic() + timeout
    while True:
        busy = [f"port {port} is still listened on" for port in ports if port in listening(root)]
        if exclusive:
            busy += [f"process {pid} still runs" for pid in named(name, root)]
        if not busy:
            return
        if time.monotonic() >= end:
            raise KubefortError(f"{name} does not stop: {', '.join(busy)}", f"Look at it: `crictl ps --name {name}`.")
        await asyncio.sleep(LOOK_S)
