"""A unit of systemd."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files
from kubefort.errors import KubefortError

from kubefort_agent.host.systemd import trace
from kubefort_agent.resources.file import before, difference
from kubefort_agent.resources.starts import record_start, started_with
from kubefort_agent.resources.undo import RemoveUnit, RestoreUnit, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host

UNITS = Path("/etc/systemd/system")


@dataclass(frozen=True)
class Unit:
    """A unit with our content, or (content "") one of another package that is only kept enabled and running.

    `restart_on` are strings such as digests of the files that the program reads at its start. The digest of content and
    restart_on under which the unit was last started is kept on disk: another one, or none, asks for a restart.
    """

    name: str
    content: str
    enabled: bool = True
    running: bool = True
    restart_on: tuple[str, ...] = ()
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"unit {self.name}"

    @property
    def path(self) -> Path:
        return UNITS / self.name

    @property
    def digest(self) -> str:
        return hashlib.sha256("\0".join((self.content, *self.restart_on)).encode()).hexdigest()

    async def diff(self, host: Host) -> tuple[str, ...]:
        """Asks systemd when there is a sign of a change, and once a minute: that costs a process."""
        mark = (trace(self.name, host.root), self, self._started_as_wanted(host), int(time.monotonic() // 60))
        if mark[0] is not None and host.verdicts.get(self.key) == (mark, ()):
            return ()
        lines = await self._look(host)
        host.verdicts[self.key] = (mark, lines)
        return lines

    async def _look(self, host: Host) -> tuple[str, ...]:
        lines: list[str] = []
        if self.content:
            lines += difference(host.path(self.path), self.path, self.content.encode(), 0o644)
        state = await host.systemd.show(self.name)
        if self.content and state.needs_reload and not lines:
            lines.append(f"{self.name}: systemd knows an older version of the unit")
        if self.enabled and not state.enabled:
            lines.append(f"{self.name}: is {state.file or 'not enabled'}, wanted enabled")
        if self.running and not state.running:
            lines.append(f"{self.name}: is {state.active}, wanted active")
        elif not self.running and state.running:
            lines.append(f"{self.name}: is {state.active}, wanted stopped")
        elif self.running and not self._started_as_wanted(host):
            lines.append(f"{self.name}: was started with an older configuration")
        return tuple(lines)

    def _started_as_wanted(self, host: Host) -> bool:
        return started_with(host, self.name) == self.digest

    async def apply(self, host: Host) -> None:
        systemd = host.systemd
        if self.content:
            changed = bool(difference(host.path(self.path), self.path, self.content.encode(), 0o644))
            if changed:
                files.write(host.path(self.path), self.content, 0o644)
            if changed or (await systemd.show(self.name)).needs_reload:
                await systemd.reload()
        state = await systemd.show(self.name)
        if not self.content and not state.exists:
            raise KubefortError(
                f"there is no unit {self.name} on this host", f"Install the package that brings {self.name}."
            )
        if state.masked:
            await systemd.unmask(self.name)
        if self.enabled and not state.enabled:
            await systemd.enable(self.name)
        if not self.running:
            await systemd.stop(self.name)
        elif not self._started_as_wanted(host):
            await systemd.restart(self.name)
            record_start(host, self.name, self.digest)
        elif not state.running:
            await systemd.start(self.name)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        state = await host.systemd.show(self.name)
        if self.content:
            theirs = before(host, self.path)
            enabled = state.exists and state.enabled
            return (RemoveUnit(self.name, enabled), *((theirs,) if theirs.content is not None else ()))
        return (RestoreUnit(self.name, state.enabled, state.running),)
