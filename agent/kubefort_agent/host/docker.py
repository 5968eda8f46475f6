"""Docker's containers and images, through its SDK; the only file that imports it, when it is first needed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from kubefort.errors import KubefortError, Unavailable
from kubefort.run import run as run_program

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image

T = TypeVar("T")

LABEL = "io.kubefort.digest"
STOP_S = 30
"""As patient as kubelet."""

CALL_S = 120.0
LOG = {"max-size": "10m", "max-file": "3"}


@dataclass(frozen=True)
class Running:
    """How a container is run; `mounts` are Docker's SOURCE:TARGET:ro or rw; `score` its oom_score_adj."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    mounts: tuple[str, ...]
    digest: str
    score: int | None


@contextlib.contextmanager
def _client() -> Iterator[DockerClient]:
    """A connection; Docker's errors are ours: Unavailable while no daemon answers."""
    import docker
    import requests

    client = None
    try:
        client = docker.from_env(timeout=int(CALL_S))
        yield client
    except docker.errors.APIError as error:
        raise KubefortError(f"Docker refused: {error.explanation or error}") from error
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise Unavailable(f"Docker does not answer: {error}", "Look at it: `systemctl status docker`.") from error
    finally:
        if client is not None:
            client.close()


def _container(client: DockerClient, name: str) -> Container | None:
    import docker

    try:
        return client.containers.get(name)
    except docker.errors.NotFound:
        return None


def _image(client: DockerClient, ref: str) -> Image | None:
    import docker

    try:
        return client.images.get(ref)
    except docker.errors.ImageNotFound:
        return None


async def _with_client(work: Callable[[DockerClient], T]) -> T:
    def call() -> T:
        with _client() as client:
            return work(client)

    return await asyncio.to_thread(call)


async def difference(name: str, digest: str) -> tuple[str, ...]:
    """How the container differs from the one made with that digest, running."""

    def look(client: DockerClient) -> tuple[str, ...]:
        container = _container(client, name)
        if container is None:
            return (f"container {name}: is missing",)
        if container.labels.get(LABEL) != digest:
            return (f"container {name}: was made with an older configuration",)
        return () if container.status in ("running", "restarting") else (f"container {name}: is {container.status}",)

    return await _with_client(look)


async def run(wanted: Running) -> None:
    """Make and start the container; an older one of that name is removed first, one that only stopped is started."""

    from docker.types import LogConfig

    def work(client: DockerClient) -> None:
        found = _container(client, wanted.name)
        if found is not None and found.labels.get(LABEL) == wanted.digest and found.status == "exited":
            found.start()
            return
        _remove(found)
        client.containers.run(
            wanted.image,
            list(wanted.command[1:]),
            entrypoint=[wanted.command[0]],
            name=wanted.name,
            environment=dict(wanted.environment),
            volumes=list(wanted.mounts),
            labels={LABEL: wanted.digest},
            log_config=LogConfig(type="json-file", config=LOG),
            network_mode="host",
            oom_score_adj=wanted.score,
            restart_policy={"Name": "always"},
            security_opt=["no-new-privileges"],
            detach=True,
        )

    await _with_client(work)


async def remove(name: str) -> None:
    """Stop and remove a container; without a daemon on this host there is none."""
    await _with_client(lambda client: _remove(_container(client, name)))


def _remove(container: Container | None) -> None:
    if container is not None:
        container.stop(timeout=STOP_S)
        container.remove(force=True)


async def has_image(ref: str) -> bool:
    return await _with_client(lambda client: _image(client, ref) is not None)


async def load(archive: Path, ref: str) -> None:
    """Load an archive, check that it brought `ref`, and make it durable."""

    def work(client: DockerClient) -> str:
        if _image(client, ref) is not None:
            client.images.remove(ref, force=True)
        with archive.open("rb") as file:
            client.images.load(file)
        if _image(client, ref) is None:
            raise KubefortError(
                f"the archive {archive} should bring the image {ref}, and did not",
                "The bundle's manifest.json names the wrong image: check it with `kfctl bundle verify`.",
            )
        return str(client.info().get("DockerRootDir") or "/var/lib/docker")

    folder = await _with_client(work)
    # Docker makes its own records durable, not what it unpacks.
    await run_program("sync", "-f", folder, check=False, timeout=300)


async def remove_image(ref: str) -> None:
    def work(client: DockerClient) -> None:
        if _image(client, ref) is not None:
            client.images.remove(ref, force=True)

    await _with_client(work)
