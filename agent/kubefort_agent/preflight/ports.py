"""Ports that our components will listen on."""

from __future__ import annotations

import re
from pathlib import Path

from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check
from kubefort.run import CommandFailed, run

from kubefort_agent.host import Host

CONTROL_PLANE_PORTS = (6443, 2379, 2380, 10257, 10259)
EVERYWHERE = (10250,)
_LISTEN = "0A"


def listening(root: Path) -> set[int]:
    """TCP ports that somebody listens on, from /proc/net/tcp and tcp6."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = (root / "proc/net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 3 and fields[3] == _LISTEN:
                found.add(int(fields[1].rsplit(":", 1)[1], 16))
    return found


async def free(host: Host, spec: NodeSpec) -> list[Check]:
    """kubeadm's Port-NUMBER."""
    taken = listening(host.root)
    wanted = (*CONTROL_PLANE_PORTS, *EVERYWHERE) if spec.is_control_plane else EVERYWHERE
    return [
        Check(
            f"Port-{port}",
            "error",
            f"port {port} is in use by {await _owner(port)}, needed is that it is free",
            f"ss -ltnp 'sport = :{port}'   # shows who listens; stop it",
        )
        for port in wanted
        if port in taken
    ]


async def _owner(port: int) -> str:
    try:
        output = await run("ss", "-H", "-l", "-t", "-n", "-p", f"sport = :{port}", timeout=10)
    except CommandFailed:
        return "another program"
    match = re.search(r'users:\(\("([^"]+)",pid=(\d+)', output.stdout)
    return f"{match[1]} (process {match[2]})" if match else "another program"


CHECKS = (free,)
