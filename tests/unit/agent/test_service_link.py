from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from kubefort.document import decode, encode
from kubefort.errors import KubefortError, Unavailable
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Artifact, Node, NodeSpec
from kubefort.model.status import Event, NodeStatus
from kubefort.v1 import fleet_pb2, fleet_pb2_grpc
from kubefort.waiting import within
from kubefort_agent.reconcile.report import Report
from kubefort_agent.service.link import Link
from kubefort_agent.service.supplies import RemoteSupplies

SPEC = NodeSpec(4, Cluster("v1.36.2"), Node("n1", "192.0.2.1", "worker"), "prepared")


class Coordinator(fleet_pb2_grpc.FleetServiceServicer):
    """Answers as tests wish."""

    def __init__(self) -> None:
        self.content = b"0123456789" * 1000
        self.cut_after = 0
        self.silent = False
        self.offsets: list[int] = []
        self.heard: asyncio.Queue[Any] = asyncio.Queue()

    async def Connect(self, requests: Any, context: Any) -> AsyncIterator[fleet_pb2.ConnectResponse]:
        hello = await requests.__anext__()
        self.heard.put_nowait(hello.hello.generation)
        yield fleet_pb2.ConnectResponse(spec=encode(SPEC))
        async for request in requests:
            if request.WhichOneof("message") == "status":
                self.heard.put_nowait(decode(request.status, NodeStatus, "status"))
            else:
                self.heard.put_nowait(decode(request.event, Event, "event"))

    async def FetchArtifact(self, request: Any, context: Any) -> AsyncIterator[fleet_pb2.FetchArtifactResponse]:
        self.offsets.append(request.offset)
        rest = self.content[request.offset :]
        if self.silent:
            await asyncio.sleep(3600)
        if self.cut_after:
            yield fleet_pb2.FetchArtifactResponse(chunk=rest[: self.cut_after])
            self.cut_after = 0
            await context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
        for start in range(0, len(rest), 4096):
            yield fleet_pb2.FetchArtifactResponse(chunk=rest[start : start + 4096])

    async def FetchSecret(self, request: Any, context: Any) -> fleet_pb2.FetchSecretResponse:
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, f"{request.name} is not for you\nask somebody")
        raise AssertionError

    async def SignCertificate(self, request: Any, context: Any) -> fleet_pb2.SignCertificateResponse:
        return fleet_pb2.SignCertificateResponse()

    async def RenewIdentity(self, request: Any, context: Any) -> fleet_pb2.RenewIdentityResponse:
        return fleet_pb2.RenewIdentityResponse()

    async def WatchOwnOperation(self, request: Any, context: Any) -> AsyncIterator[fleet_pb2.WatchOwnOperationResponse]:
        yield fleet_pb2.WatchOwnOperationResponse()


@pytest.fixture
async def coordinator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Coordinator, str]]:
    service = Coordinator()
    server = grpc.aio.server()
    fleet_pb2_grpc.add_FleetServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call,unused-ignore]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    monkeypatch.setattr("kubefort.identity.channel", lambda address, identity: grpc.aio.insecure_channel(address))
    monkeypatch.setattr("kubefort.identity.Identity.load", lambda folder: None)
    yield service, f"127.0.0.1:{port}"
    await server.stop(None)


async def running(addresses: tuple[str, ...], report: Report, folder: Path, accept: Callable[[NodeSpec], None]) -> Link:
    (folder / "tls.crt").write_text("x")
    return Link(lambda: addresses, folder, report, accept, lambda: 3)


async def test_hello_spec_status_and_events(coordinator: tuple[Coordinator, str], tmp_path: Path) -> None:
    service, address = coordinator
    report, specs = Report("n1", tmp_path), asyncio.Queue[NodeSpec]()
    link = await running(("127.0.0.1:1", address), report, tmp_path, specs.put_nowait)
    task = asyncio.ensure_future(link.run())
    try:
        assert await within(20, specs.get()) == SPEC
        assert await within(20, service.heard.get()) == 3
        assert isinstance(await within(20, service.heard.get()), NodeStatus)
        report.event("DriftRepaired", "a file")
        heard = await within(20, service.heard.get())
        while isinstance(heard, NodeStatus):
            heard = await within(20, service.heard.get())
        assert heard.message == "a file"
        assert link.stub() is not None
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert link.stub() is None


async def test_another_identity_on_disk_means_another_stream(
    coordinator: tuple[Coordinator, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, address = coordinator
    report = Report("n1", tmp_path)
    link = await running((address,), report, tmp_path, lambda spec: None)
    task = asyncio.ensure_future(link.run())
    try:
        assert await within(20, service.heard.get()) == 3
        (tmp_path / "tls.crt").write_text("another")
        report.changed.set()
        while await within(20, service.heard.get()) != 3:
            pass
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.fixture
async def supplies(coordinator: tuple[Coordinator, str], tmp_path: Path) -> AsyncIterator[RemoteSupplies]:
    async with grpc.aio.insecure_channel(coordinator[1]) as channel:
        stub: Any = fleet_pb2_grpc.FleetServiceStub(channel)
        yield RemoteSupplies(lambda: stub, tmp_path / "artifacts")


def artifact_of(content: bytes) -> Artifact:
    return Artifact("binary", "kubelet", hashlib.sha256(content).hexdigest(), len(content))


async def test_an_artifact_is_fetched_once_and_goes_on_after_a_cut(
    coordinator: tuple[Coordinator, str], supplies: RemoteSupplies
) -> None:
    service, _ = coordinator
    wanted = artifact_of(service.content)
    service.cut_after = 1234
    with pytest.raises(Unavailable, match="going down"):
        await supplies.artifact(wanted)
    path = await supplies.artifact(wanted)
    assert path.read_bytes() == service.content
    assert await supplies.artifact(wanted) == path
    assert service.offsets == [0, 1234]


async def test_a_wrong_artifact_is_named_and_thrown_away(
    coordinator: tuple[Coordinator, str], supplies: RemoteSupplies, tmp_path: Path
) -> None:
    service, _ = coordinator
    wanted = artifact_of(service.content)
    service.content = service.content.replace(b"0", b"1")
    found = hashlib.sha256(service.content).hexdigest()
    with pytest.raises(KubefortError, match=found):
        await supplies.artifact(wanted)
    assert list((tmp_path / "artifacts").iterdir()) == []


async def test_a_refusal_keeps_its_words_and_hint(supplies: RemoteSupplies) -> None:
    with pytest.raises(KubefortError) as caught:
        await supplies.secret("pki/ca.key")
    assert (caught.value.message, caught.value.hint) == ("pki/ca.key is not for you", "ask somebody")


async def test_without_a_stream_supplies_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="the secret x is needed"):
        await RemoteSupplies(lambda: None, tmp_path).secret("x")


async def test_an_artifact_that_was_damaged_on_disk_is_fetched_again(
    coordinator: tuple[Coordinator, str], supplies: RemoteSupplies
) -> None:
    service, _ = coordinator
    path = await supplies.artifact(artifact_of(service.content))
    path.write_bytes(b"damaged")
    assert (await supplies.artifact(artifact_of(service.content))).read_bytes() == service.content
    assert service.offsets == [0, 0]


async def test_a_coordinator_that_falls_silent_is_not_waited_for_forever(
    coordinator: tuple[Coordinator, str], supplies: RemoteSupplies, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, _ = coordinator
    monkeypatch.setattr("kubefort_agent.service.supplies.CHUNK_TIMEOUT", 0.05)
    service.silent = True
    with pytest.raises(Unavailable, match="nothing of the artifact kubelet came for"):
        await supplies.artifact(artifact_of(service.content))
