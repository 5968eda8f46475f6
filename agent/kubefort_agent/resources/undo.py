"""What takes a resource away again: small documents, kept on disk before the resource is first applied.

Each `run` brings back what was there before, and may be run twice.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Union

import msgspec
from kubefort import files
from kubefort.run import CommandFailed

from kubefort_agent.host import kernel
from kubefort_agent.resources.starts import forget_start

if TYPE_CHECKING:
    from kubefort_agent.host import Host


class _Undo(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    async def run(self, host: Host) -> None:
        raise NotImplementedError


class RestoreFile(_Undo, frozen=True):
    """The file as it was; `content` None: there was none. `made`: folders made for it, the deepest first."""

    path: str
    content: bytes | None = None
    mode: int = 0o644
    made: tuple[str, ...] = ()

    async def run(self, host: Host) -> None:
        place = host.path(self.path)
        if self.content is not None:
            files.write(place, self.content, self.mode)
        elif place.parent.is_dir():
            files.remove(place)
        for folder in self.made:
            with contextlib.suppress(OSError):
                host.path(folder).rmdir()


class RestoreLink(_Undo, frozen=True):
    """The link as it was (`target` "": none); what a file was moved aside to comes back."""

    path: str
    target: str = ""
    aside: str = ""

    async def run(self, host: Host) -> None:
        path = host.path(self.path)
        if self.target:
            files.link(path, self.target)
        elif path.is_symlink():
            files.remove(path)
        if self.aside and host.path(self.aside).exists():
            host.path(self.aside).rename(path)
            files.sync_folder(path.parent)


class RemoveFolder(_Undo, frozen=True):
    """A folder that we made; `everything`: also what others put into it."""

    path: str
    everything: bool = False

    async def run(self, host: Host) -> None:
        path = host.path(self.path)
        if self.everything:
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.rmdir()


class RemoveLine(_Undo, frozen=True):
    """A line of a file of ours that several resources share; the last one takes the file along."""

    path: str
    line: str

    async def run(self, host: Host) -> None:
        path = host.path(self.path)
        if path.exists():
            rest = [line for line in path.read_text().splitlines() if line != self.line]
            kept = any(line and not line.startswith("#") for line in rest)
            files.write(path, "\n".join(rest) + "\n") if kept else files.remove(path)


class RestoreSysctl(_Undo, frozen=True):
    name: str
    value: str

    async def run(self, host: Host) -> None:
        with contextlib.suppress(OSError):
            kernel.write_sysctl(self.name, self.value, host.root)


class RemoveUnit(_Undo, frozen=True):
    """A unit of ours: stopped, disabled, its file gone. `enabled`: one of that name that another package has was."""

    name: str
    enabled: bool = False

    async def run(self, host: Host) -> None:
        path = host.path(f"/etc/systemd/system/{self.name}")
        if path.exists():
            await host.systemd.stop(self.name)
            await host.systemd.disable(self.name)
            files.remove(path)
            await host.systemd.reload()
            if self.enabled and (await host.systemd.show(self.name)).exists:
                await host.systemd.enable(self.name)
        forget_start(host, self.name)


class RestoreUnit(_Undo, frozen=True):
    """A unit of another package: as enabled and running as before; restarted, because what it reads was changed."""

    name: str
    enabled: bool
    running: bool

    async def run(self, host: Host) -> None:
        if not self.enabled:
            await host.systemd.disable(self.name)
        if not self.running:
            await host.systemd.stop(self.name)
        forget_start(host, self.name)


class UnmaskUnit(_Undo, frozen=True):
    """A unit that we masked."""

    name: str

    async def run(self, host: Host) -> None:
        await host.systemd.unmask(self.name)


class RemoveImage(_Undo, frozen=True):
    """An image that we imported, and the archive that it came from."""

    ref: str
    archive: str = ""

    async def run(self, host: Host) -> None:
        if self.archive:
            host.path(self.archive).unlink(missing_ok=True)
        try:
            await host.containerd.remove_image(self.ref)
        except CommandFailed as error:
            if error.code != 127:  # containerd itself is gone, and its images with it
                raise


class RemoveRoute(_Undo, frozen=True):
    destination: str

    async def run(self, host: Host) -> None:
        await host.routes.remove(self.destination)


class RemoveMasquerade(_Undo, frozen=True):
    sources: tuple[str, ...]

    async def run(self, host: Host) -> None:
        from kubefort_agent.host import firewall

        await firewall.remove()


class SwapOn(_Undo, frozen=True):
    """Swap as it was: fstab's swap lines are active again, and so are the areas that were in use."""

    areas: tuple[str, ...]

    async def run(self, host: Host) -> None:
        from kubefort_agent.host import swap

        await swap.restore(host.path("/etc/fstab"), self.areas)


class RemoveContainer(_Undo, frozen=True):
    """A container of Docker's."""

    name: str

    async def run(self, host: Host) -> None:
        from kubefort_agent.host import docker

        await docker.remove(self.name)


class WipeCluster(_Undo, frozen=True):
    """What kubelet, etcd and pods leave: folders that were empty or missing before us, devices, chains."""

    folders: tuple[str, ...]

    async def run(self, host: Host) -> None:
        from kubefort_agent.host import cleanup

        await cleanup.wipe(host, self.folders)


def wipe_of(host: Host) -> WipeCluster:
    """What takes away everything that a cluster will put on this host from now on."""
    from kubefort_agent.host import cleanup

    return WipeCluster(cleanup.unused_folders(host))


Undo = Union[  # noqa: UP007 - msgspec wants the names at run time
    RestoreFile,
    RestoreLink,
    RemoveFolder,
    RemoveLine,
    RestoreSysctl,
    RemoveUnit,
    RestoreUnit,
    UnmaskUnit,
    RemoveImage,
    RemoveRoute,
    RemoveMasquerade,
    SwapOn,
    RemoveContainer,
    WipeCluster,
]
