"""containerd's images and containers in Kubernetes' namespace, through ctr."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kubefort.errors import KubefortError
from kubefort.run import run

from kubefort_agent.host.digest import fingerprint

NAMESPACE = "k8s.io"
RECORDS = "var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db"
PINNED = "io.cri-containerd.pinned=pinned"


def full_reference(ref: str) -> str:
    """A reference as containerd stores it: with registry and tag (docker's rules for what is left out)."""
    first, slash, _ = ref.partition("/")
    if not slash:
        ref = f"docker.io/library/{ref}"
    elif "." not in first and ":" not in first and first != "localhost":
        ref = f"docker.io/{ref}"
    return ref if ":" in ref.rsplit("/", 1)[-1] or "@" in ref else f"{ref}:latest"


class Containerd:
    """Images by reference. One counts as there once it is pinned, which is done when all of it is on disk."""

    def __init__(self) -> None:
        self._images: dict[str, bool] | None = None
        self._digests: dict[str, str] = {}
        self._looking = asyncio.Lock()

    def forget(self) -> None:
        self._images = None

    def trace(self, root: Path = Path("/")) -> tuple[int, ...] | None:
        """Changes whenever containerd may know other images; None where that cannot be told."""
        return fingerprint(root / RECORDS)

    async def images(self) -> dict[str, bool]:
        """Every image's reference → whether it is pinned."""
        async with self._looking:
            if self._images is None:
                rows = [line.split() for line in (await _ctr("images", "ls", timeout=60)).splitlines()[1:]]
                self._images = {row[0]: PINNED in row[-1].split(",") for row in rows if row}
                self._digests = {row[0]: row[2] for row in rows if len(row) > 2}
            return self._images

    async def load(self, file: Path, ref: str) -> None:
        """Import an archive, check that it brought `ref`, make it durable, and pin it against garbage collection."""
        name = full_reference(ref)
        before = set(await self.images())
        if name in before:
            # Not pinned: an import that was cut off, so what it unpacked may not be on disk. Importing alone would not
            # unpack again.
            await _ctr("images", "rm", "--sync", name, timeout=120)
        await _ctr("images", "import", "--digests=false", str(file), timeout=600)
        self.forget()  # again: another import may have looked in between
        now = await self.images()
        if name not in now:
            brought = ", ".join(sorted(set(now) - before)) or "nothing new"
            raise KubefortError(
                f"the archive {file} should bring the image {name}, and brought {brought}",
                "The bundle's manifest.json names the wrong image: check it with `kfctl bundle verify`.",
            )
        # containerd's own fsync covers its database, not what it unpacked.
        await run("sync", "-f", "/var/lib/containerd", check=False, timeout=300)
        await _ctr("images", "label", name, PINNED, timeout=60)
        self.forget()

    async def remove_image(self, ref: str) -> None:
        """Remove an image, and the CRI plugin's reference by id once no other name leads to the same image."""
        name = full_reference(ref)
        if name in await self.images():
            same = {other for other, digest in self._digests.items() if digest == self._digests.get(name)} - {name}
            ids = {other for other in same if other.startswith("sha256:")}
            for victim in (name, *(sorted(ids) if same == ids else ())):
                await _ctr("images", "rm", "--sync", victim, timeout=120)
        self.forget()

    async def remove_containers(self) -> tuple[str, ...]:
        """Kill and remove every container of the namespace; their ids."""
        running = (await _ctr("tasks", "ls", "-q")).split()
        for task in running:
            await run("ctr", "-n", NAMESPACE, "tasks", "kill", "--signal", "SIGKILL", "--all", task, check=False)
        for task in running:
            await run("ctr", "-n", NAMESPACE, "tasks", "rm", "--force", task, check=False)
        containers = tuple((await _ctr("containers", "ls", "-q")).split())
        for container in containers:
            await run("ctr", "-n", NAMESPACE, "containers", "rm", container, check=False)
        return containers


async def _ctr(*arguments: str, timeout: float = 60) -> str:
    return (await run("ctr", "-n", NAMESPACE, *arguments, timeout=timeout)).stdout
