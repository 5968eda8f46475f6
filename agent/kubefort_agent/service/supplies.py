"""What the coordinator supplies: secrets, signatures, artifacts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from kubefort import files, log
from kubefort.errors import KubefortError, Unavailable
from kubefort.model.spec import Artifact
from kubefort.v1 import fleet_pb2
from kubefort.waiting import within

from kubefort_agent.host.digest import sha256

if TYPE_CHECKING:
    from kubefort.v1.fleet_pb2_grpc import FleetServiceAsyncStub

CALL_TIMEOUT = 30.0
CHUNK_TIMEOUT = 60.0

_log = log.get("supplies")


class RemoteSupplies:
    """Unary calls over the channel that the stream keeps open; Unavailable while there is none.

    stub    the service while we are connected, else None
    folder  where artifacts are kept, by sha256
    """

    def __init__(self, stub: Callable[[], FleetServiceAsyncStub | None], folder: Path) -> None:
        self._stub, self._folder = stub, folder
        self._fetching: dict[str, asyncio.Lock] = {}

    def _service(self, what: str) -> FleetServiceAsyncStub:
        stub = self._stub()
        if stub is None:
            raise Unavailable(
                f"{what} is needed from the coordinator, and the coordinator is not reached",
                "`journalctl -u kubefort-agent -n 20` says why; it goes on by itself.",
            )
        return stub

    async def secret(self, name: str) -> bytes:
        service = self._service(f"the secret {name}")
        with translated():
            answer = await service.FetchSecret(fleet_pb2.FetchSecretRequest(name=name), timeout=CALL_TIMEOUT)
        return answer.content

    async def sign(self, name: str, request: str) -> str:
        service = self._service(f"the certificate {name}")
        message = fleet_pb2.SignCertificateRequest(name=name, certificate_request=request)
        with translated():
            answer = await service.SignCertificate(message, timeout=CALL_TIMEOUT)
        return answer.certificate

    async def renew(self, request: str) -> str:
        """A new certificate (PEM) of our own identity."""
        service = self._service("a new identity")
        with translated():
            answer = await service.RenewIdentity(
                fleet_pb2.RenewIdentityRequest(certificate_request=request), timeout=CALL_TIMEOUT
            )
        return answer.certificate

    async def artifact(self, artifact: Artifact) -> Path:
        place = self._folder / artifact.sha256
        async with self._fetching.setdefault(artifact.sha256, asyncio.Lock()):
            if place.exists() and await asyncio.to_thread(sha256, place) != artifact.sha256:
                _log.warning("an artifact on disk is damaged, and is fetched again", artifact=artifact.name)
                files.remove(place)
            if not place.exists():
                await self._fetch(artifact, place)
        return place

    def forget(self, artifact: Artifact) -> None:
        files.remove(self._folder / artifact.sha256)

    async def _fetch(self, artifact: Artifact, place: Path) -> None:
        """Into a .part beside the place, going on where an earlier try ended; renamed once its digest is right."""
        service = self._service(f"the artifact {artifact.name}")
        files.make_folder(self._folder, 0o700)
        part = place.with_name(place.name + ".part")
        with part.open("ab") as file, translated():
            offset = file.tell()
            if offset < artifact.size:
                _log.info("fetching", artifact=artifact.name, size=artifact.size, offset=offset)
                await _receive(service, artifact, file)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        found = await asyncio.to_thread(sha256, part)
        size = part.stat().st_size
        if found != artifact.sha256:
            if size < artifact.size:
                raise Unavailable(
                    f"the artifact {artifact.name} ended after {size} of {artifact.size} bytes",
                    "It goes on from there by itself; where it does not, try `kfctl bundle verify` on the coordinator.",
                )
            files.remove(part)
            raise KubefortError(
                f"the artifact {artifact.name} is not what the bundle promises: "
                f"sha256 {found} ({size} bytes), wanted {artifact.sha256} ({artifact.size} bytes)",
                "Check the bundle on the coordinator: `kfctl bundle verify`.",
            )
        os.replace(part, place)
        files.sync_folder(self._folder)


async def _receive(service: FleetServiceAsyncStub, artifact: Artifact, file: BinaryIO) -> None:
    """Append what the coordinator sends from the file's end on."""
    request = fleet_pb2.FetchArtifactRequest(sha256=artifact.sha256, offset=file.tell())
    call = service.FetchArtifact(request)
    try:
        while isinstance(message := await within(CHUNK_TIMEOUT, call.read()), fleet_pb2.FetchArtifactResponse):
            file.write(message.chunk)
    except TimeoutError as error:
        raise Unavailable(f"nothing of the artifact {artifact.name} came for {CHUNK_TIMEOUT:.0f} s") from error
    finally:
        call.cancel()


class translated:
    """Turns gRPC's errors into ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from grpc.aio import AioRpcError
        from kubefort.identity import as_error

        if isinstance(error, AioRpcError):
            raise as_error(error) from error
