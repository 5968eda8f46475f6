"""A kernel module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files
from kubefort.errors import KubefortError

from kubefort_agent.host import kernel
from kubefort_agent.resources.lines import has_line, with_line
from kubefort_agent.resources.undo import RemoveLine, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host

PATH = Path("/etc/modules-load.d/kubefort.conf")


@dataclass(frozen=True)
class Module:
    """A module is loaded or built in, now and after a reboot. It stays loaded when we leave: others may use it."""

    name: str
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"module {self.name}"

    async def diff(self, host: Host) -> tuple[str, ...]:
        lines = []
        if not kernel.has_module(self.name, host.root):
            lines.append(f"kernel module {self.name}: is not loaded")
        if not has_line(host.path(PATH), self.name):
            lines.append(f"{PATH}: + {self.name}")
        return tuple(lines)

    async def apply(self, host: Host) -> None:
        files.write(host.path(PATH), with_line(host.path(PATH), self.name, self.name))
        if not kernel.has_module(self.name, host.root):
            said = await kernel.load_module(self.name, host.root)
            if said:
                raise KubefortError(
                    f"the kernel module {self.name} cannot be loaded: {said}",
                    f"Install the kernel's modules (Debian: linux-image-$(uname -r)) and try `modprobe {self.name}`.",
                )

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RemoveLine(str(PATH), self.name),)
