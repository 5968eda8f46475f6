"""Under which configuration a unit was last started: on disk, so that a restart is neither lost nor repeated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kubefort import files

if TYPE_CHECKING:
    from kubefort_agent.host import Host

RECORDS = Path("/var/lib/kubefort/units")


def started_with(host: Host, unit: str) -> str:
    """The digest that was recorded at the unit's last start by us, "" where none was."""
    try:
        return host.path(RECORDS / unit).read_text()
    except FileNotFoundError:
        return ""


def record_start(host: Host, unit: str, digest: str) -> None:
    files.write(host.path(RECORDS / unit), digest, 0o644)


def forget_start(host: Host, unit: str) -> None:
    """Whatever the unit was started with, it is to be started anew."""
    record = host.path(RECORDS / unit)
    if record.exists():
        files.remove(record)
