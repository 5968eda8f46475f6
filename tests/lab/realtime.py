"""Real-time scheduling for a service of a host, as a real machine has it.

A kernel with RT_GROUP_SCHED (this file is there then) gives a container none of the real-time budget; without it there
is nothing to do.
"""

from __future__ import annotations

from pathlib import Path

CPU = Path("/sys/fs/cgroup/cpu")
BUDGET = "cpu.rt_runtime_us"
ALL_HOSTS, EACH_HOST = 900_000, 100_000
"""Microseconds of each second."""


def grant() -> bool:
    """Let containers have a part of the real-time budget; whether it is dealt out by groups here at all."""
    group = CPU / "docker" / BUDGET
    if not group.exists():
        return False
    group.write_text(str(ALL_HOSTS))
    return True


def drop_in(unit: str) -> tuple[str, str]:
    """Path and content of what makes systemd pass the host's part on to the unit, at every start of it."""
    groups = " ".join(f"{CPU}{below}/{BUDGET}" for below in ("", "/system.slice", f"/system.slice/{unit}"))
    command = f"for group in {groups}; do echo {EACH_HOST} >$group; done"
    folder = f"/usr/local/lib/systemd/system/{unit}.d"
    return f"{folder}/realtime.conf", f"[Service]\nExecStartPre=+-/bin/sh -c '{command}'\n"
