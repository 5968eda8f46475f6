"""A container image of a bundle in Docker's store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files
from kubefort.errors import KubefortError
from kubefort.model.spec import Artifact

from kubefort_agent.resources.undo import DOCKER_RECORDS, RemoveDockerImage, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class DockerImage:
    """The image is in Docker, and all of it reached the disk: a record of ours says so, written after that."""

    artifact: Artifact
    every: ClassVar[float] = 60.0
    late: ClassVar[bool] = True

    @property
    def key(self) -> str:
        return f"docker image {self.artifact.ref}"

    @property
    def record(self) -> Path:
        return DOCKER_RECORDS / self.artifact.ref.replace("/", "_")

    async def diff(self, host: Host) -> tuple[str, ...]:
        from kubefort_agent.host import docker

        if not await docker.has_image(self.artifact.ref):
            return (f"docker image {self.artifact.ref}: is missing",)
        try:
            loaded = host.path(self.record).read_text()
        except FileNotFoundError:
            loaded = ""
        return () if loaded == self.artifact.sha256 else (f"docker image {self.artifact.ref}: is not the bundle's",)

    async def apply(self, host: Host) -> None:
        from kubefort_agent.host import docker

        await docker.load(await host.supplies.artifact(self.artifact), self.artifact.ref)
        files.write(host.path(self.record), self.artifact.sha256, 0o644)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        from kubefort_agent.host import docker

        try:
            present = await docker.has_image(self.artifact.ref)
        except KubefortError:  # Docker does not run yet
            present = False
        return () if present else (RemoveDockerImage(self.artifact.ref),)
