"""Reading HTTP answers, and the client's verdicts on them, against a server of the test's own over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from kubefort.errors import Unavailable
from kubefort_coordinator.kubernetes import http
from kubefort_coordinator.kubernetes.client import ApiError, KubernetesClient, readiness

from tests.integration.clients.authority import Authority

Respond = Callable[[str, bytes], bytes]


@contextlib.asynccontextmanager
async def serving(folder: Path, respond: Respond, timeout: float = 20.0) -> AsyncIterator[KubernetesClient]:
    """A client of a server that answers each request (its head, its body) with these bytes, then closes."""
    authority = Authority()
    certificate, key = authority.issue("server").write(folder, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=authority.certificate.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length:")), 0)
        writer.write(respond(head, await reader.readexactly(length)))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    user = authority.issue("client")
    try:
        yield KubernetesClient(
            [f"https://127.0.0.1:{port}"], authority.certificate, user.certificate, user.key, timeout
        )
    finally:
        server.close()


def said(code: int, document: object) -> bytes:
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n", b"{}"),
        (b"HTTP/1.0 200 OK\r\nserver: x\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_bodies(raw: bytes, body: bytes, tmp_path: Path) -> None:
    async with serving(tmp_path, lambda *_: raw) as client:
        answer = await http.request(client._context, client.servers[0], "GET", "/")
    assert answer.body == body


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnot",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nnot",
    ],
)
async def test_what_is_no_whole_answer_is_unavailable(raw: bytes, tmp_path: Path) -> None:
    async with serving(tmp_path, lambda *_: raw) as client:
        with pytest.raises(Unavailable):
            await client.get("Node", "m1")


async def test_a_server_that_never_answers_times_out(tmp_path: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        async with serving(tmp_path, lambda *_: b"") as client:
            address = f"https://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"):
                await http.request(client._context, address, "GET", "/", timeout=0.2)


async def test_a_server_of_another_authority_is_named_as_such(tmp_path: Path) -> None:
    async with serving(tmp_path, lambda *_: said(200, {})) as client:
        other = Authority("other")
        user = other.issue("client")
        stranger = KubernetesClient(client.servers, other.certificate, user.certificate, user.key)
        with pytest.raises(Unavailable, match="a certificate that is not to be trusted"):
            await stranger.version()


async def test_refusals_carry_code_and_reason(tmp_path: Path) -> None:
    status = {"kind": "Status", "reason": "Forbidden", "message": "no", "code": 403}
    async with serving(tmp_path, lambda *_: said(403, status)) as client:
        with pytest.raises(ApiError, match="no") as error:
            await client.get("Node", "m1")
    assert (error.value.code, error.value.reason) == (403, "Forbidden")


async def test_not_found_is_none(tmp_path: Path) -> None:
    async with serving(tmp_path, lambda *_: said(404, {"reason": "NotFound"})) as client:
        assert await client.get("Node", "m1") is None
        assert not await client.delete("Node", "m1")


async def test_a_namespace_that_is_yet_to_come_is_waited_for(tmp_path: Path) -> None:
    status = {"reason": "NotFound", "message": 'namespaces "kube-public" not found'}
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "kube-public"}}
    async with serving(tmp_path, lambda *_: said(404, status)) as client:
        with pytest.raises(Unavailable, match="kube-public"):
            await client.apply(wanted)
        with pytest.raises(Unavailable, match="kube-public"):
            await client.create_if_missing(wanted)


async def test_apply_is_forced_under_our_name(tmp_path: Path) -> None:
    seen: list[tuple[str, bytes]] = []

    def respond(head: str, body: bytes) -> bytes:
        seen.append((head, body))
        return said(200, json.loads(body))

    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x:y", "namespace": "kube-system"}}
    async with serving(tmp_path, respond) as client:
        assert await client.apply(wanted) == wanted
    head, body = seen[0]
    path = "/api/v1/namespaces/kube-system/configmaps/x%3Ay?fieldManager=kubefort&force=true"
    assert head.startswith(f"PATCH {path} HTTP/1.1\r\n")
    assert "Content-Type: application/apply-patch+yaml\r\n" in head
    assert json.loads(body) == wanted


async def test_long_lists_are_read_page_by_page(tmp_path: Path) -> None:
    def respond(head: str, _: bytes) -> bytes:
        if "continue=next" in head:
            return said(200, {"items": [{"a": 2}], "metadata": {}})
        return said(200, {"items": [{"a": 1}], "metadata": {"continue": "next"}})

    async with serving(tmp_path, respond) as client:
        assert await client.list("Pod") == [{"a": 1}, {"a": 2}]


async def test_readyz_names_the_checks_that_fail(tmp_path: Path) -> None:
    body = b"[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"
    raw = f"HTTP/1.1 500 X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    async with serving(tmp_path, lambda *_: raw) as client:
        assert await client.ready() == (False, f"{client.servers[0]} is not ready: etcd")


@pytest.mark.parametrize(
    ("conditions", "ready", "why"),
    [
        ([], False, "the kubelet of m1 has not reported yet"),
        ([{"type": "Ready", "status": "True"}], True, ""),
        ([{"type": "Ready", "status": "False", "message": "no CNI"}], False, "the node m1 is not Ready: no CNI"),
        ([{"type": "Ready", "status": "Unknown", "reason": "Lost"}], False, "the node m1 is not Ready: Lost"),
    ],
)
def test_readiness_of_a_node(conditions: list[dict[str, str]], ready: bool, why: str) -> None:
    assert readiness({"metadata": {"name": "m1"}, "status": {"conditions": conditions}}) == (ready, why)
