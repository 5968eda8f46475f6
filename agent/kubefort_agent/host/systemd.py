"""systemd, through systemctl: one call shows all units asked for so far."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kubefort.run import CommandFailed, run

from kubefort_agent.host.digest import fingerprint

_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "NeedDaemonReload")


@dataclass(frozen=True)
class UnitState:
    """Properties of a unit, in systemd's own words."""

    load: str
    active: str
    sub: str
    file: str
    needs_reload: bool

    @property
    def exists(self) -> bool:
        return self.load not in ("not-found", "")

    @property
    def enabled(self) -> bool:
        return self.file in ("enabled", "static", "alias", "indirect", "generated", "linked")

    @property
    def masked(self) -> bool:
        return self.file.startswith("masked")

    @property
    def running(self) -> bool:
        return self.active in ("active", "activating", "reloading")


_ABSENT = UnitState("not-found", "inactive", "dead", "", False)


class Systemd:
    """Looks are remembered until `forget` or a change; a new name looks all up again in one call."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._states: dict[str, UnitState] = {}

    def forget(self) -> None:
        self._states.clear()

    def expect(self, names: set[str]) -> None:
        """These names will be asked for: look them up together."""
        self._names = set(names)

    async def show(self, name: str) -> UnitState:
        if name not in self._states:
            self._names.add(name)
            names = sorted(self._names)
            output = await run("systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", *names, timeout=30)
            blocks = output.stdout.strip().split("\n\n")
            self._states = {n: _parse(block) for n, block in zip(names, blocks, strict=False)}
        return self._states.get(name, _ABSENT)

    async def reload(self) -> None:
        """Read unit files again."""
        await self._change("daemon-reload")

    async def enable(self, name: str) -> None:
        await self._change("enable", "--quiet", name)

    async def disable(self, name: str) -> None:
        await self._change("disable", "--quiet", name)

    async def start(self, name: str) -> None:
        await run("systemctl", "reset-failed", name, check=False)
        await self._change("start", name)

    async def restart(self, name: str) -> None:
        await run("systemctl", "reset-failed", name, check=False)
        await self._change("restart", name)

    async def stop(self, name: str) -> None:
        """Stop a unit; one that does not exist is stopped already."""
        try:
            await self._change("stop", name)
        except CommandFailed as error:
            if error.code != 5:
                raise

    async def mask(self, name: str) -> None:
        await self._change("mask", "--quiet", name)

    async def unmask(self, name: str) -> None:
        await self._change("unmask", "--quiet", name)

    async def list(self, kind: str) -> tuple[str, ...]:
        """Names of the loaded units of a type, such as "swap"."""
        output = await run("systemctl", "list-units", f"--type={kind}", "--all", "--plain", "--no-legend", timeout=30)
        return tuple(line.split()[0] for line in output.stdout.splitlines() if line.split())

    async def _change(self, *arguments: str) -> None:
        self.forget()
        await run("systemctl", *arguments, timeout=120)


def trace(name: str, root: Path) -> object:
    """Another one whenever a unit was stopped, started, enabled, disabled or edited; None where it does not run.

    All of it is files: the link that systemd keeps while a unit runs, those that start it at boot, and its own.
    """
    units = root / "etc/systemd/system"
    try:
        invocation = os.readlink(root / "run/systemd/units" / f"invocation:{name}")
    except OSError:
        return None
    wants = tuple(sorted(str(link) for link in units.glob(f"*.wants/{name}")))
    return invocation, wants, fingerprint(units / name), fingerprint(units / f"{name}.d")


def _parse(block: str) -> UnitState:
    fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return UnitState(
        load=fields.get("LoadState", ""),
        active=fields.get("ActiveState", ""),
        sub=fields.get("SubState", ""),
        file=fields.get("UnitFileState", ""),
        needs_reload=fields.get("NeedDaemonReload") == "yes",
    )
