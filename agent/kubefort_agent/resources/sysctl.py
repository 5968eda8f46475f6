"""A kernel parameter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files
from kubefort.errors import KubefortError

from kubefort_agent.host import kernel
from kubefort_agent.resources.lines import has_line, with_line
from kubefort_agent.resources.undo import RemoveLine, RestoreSysctl, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host

PATH = Path("/etc/sysctl.d/99-kubefort.conf")


@dataclass(frozen=True)
class Sysctl:
    """A parameter has a value, now and after a reboot."""

    name: str
    value: str
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"sysctl {self.name}"

    @property
    def line(self) -> str:
        return f"{self.name} = {self.value}"

    async def diff(self, host: Host) -> tuple[str, ...]:
        lines = []
        found = kernel.read_sysctl(self.name, host.root)
        if found != " ".join(self.value.split()):
            lines.append(f"sysctl {self.name}: is {found if found is not None else 'unknown'}, wanted {self.value}")
        if not has_line(host.path(PATH), self.line):
            lines.append(f"{PATH}: + {self.line}")
        return tuple(lines)

    async def apply(self, host: Host) -> None:
        files.write(host.path(PATH), with_line(host.path(PATH), self.line, self.name))
        if kernel.read_sysctl(self.name, host.root) == " ".join(self.value.split()):
            return
        try:
            kernel.write_sysctl(self.name, self.value, host.root)
        except OSError as error:
            raise KubefortError(
                f"the kernel parameter {self.name} cannot be set to {self.value}: {error}",
                f"Try `sysctl -w {self.name}={self.value}`; an unknown parameter often wants its kernel module loaded.",
            ) from error

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        found = kernel.read_sysctl(self.name, host.root)
        line = RemoveLine(str(PATH), self.line)
        return (line,) if found is None else (RestoreSysctl(self.name, found), line)
