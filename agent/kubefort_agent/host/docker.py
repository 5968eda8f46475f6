"""Docker's containers, through its SDK; the only file that imports it, when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker.models.containers import Container

LABEL = "io.kubefort.digest"


def _find(name: str) -> Container | None:
    import docker

    client = docker.from_env()
    try:
        return client.containers.get(name)
    except docker.errors.NotFound:
        return None


async def difference(name: str, digest: str) -> tuple[str, ...]:
    return await asyncio.to_thread(_difference, name, digest)


def _difference(name: str, digest: str) -> tuple[str, ...]:
    container = _find(name)
    if container is None:
        return (f"container {name}: is missing",)
    if container.labels.get(LABEL) != digest:
        return (f"container {name}: was made with an older configuration",)
    return () if container.status in ("running", "restarting") else (f"container {name}: is {container.status}",)


async def run(
    name: str,
    image: str,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    mounts: Mapping[str, tuple[str, bool]],
    digest: str,
) -> None:
    """Make and start a container; another one of that name is removed first."""
    await asyncio.to_thread(_run, name, image, command, environment, mounts, digest)


def _run(
    name: str,
    image: str,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    mounts: Mapping[str, tuple[str, bool]],
    digest: str,
) -> None:
    import docker

    _remove(name)
    volumes = {source: {"bind": target, "mode": "ro" if ro else "rw"} for source, (target, ro) in mounts.items()}
    docker.from_env().containers.run(
        image,
        list(command[1:]),
        entrypoint=[command[0]],
        name=name,
        environment=dict(environment),
        volumes=volumes,
        labels={LABEL: digest},
        network_mode="host",
        restart_policy={"Name": "always"},
        detach=True,
    )


async def remove(name: str) -> None:
    await asyncio.to_thread(_remove, name)


def _remove(name: str) -> None:
    container = _find(name)
    if container is not None:
        container.stop(timeout=20)
        container.remove(force=True)
