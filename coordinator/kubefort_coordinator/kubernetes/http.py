"""One HTTPS request to an API server and its answer: HTTP/1.1 over asyncio's streams, a connection for each request.

So little is needed of HTTP here that a client library, or a thread for each request, would cost more than this file.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from kubefort.errors import Unavailable
from kubefort.waiting import within

_MOST_HEADERS = 100
_MOST_BODY = 256 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """Status code and body of an HTTP response."""

    code: int
    body: bytes


def client_context(authority_pem: bytes, certificate_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    """A TLS context that trusts only this authority and shows this certificate; the key never touches a disk."""
    context = ssl.create_default_context(cadata=authority_pem.decode())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Default from Python 3.13 on; it asks for extensions that certificates made by Go and kubeadm need not have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # The ssl module loads keys from files only: this one is in memory, and gone when closed.
    descriptor = os.memfd_create("kubernetes-client")
    try:
        os.write(descriptor, certificate_pem.rstrip() + b"\n" + key_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
    return context


async def request(
    context: ssl.SSLContext,
    server: str,
    method: str,
    path: str,
    body: bytes = b"",
    content_type: str = "application/json",
    timeout: float = 10.0,
) -> Answer:
    """Send one request to `server` ("https://host:port"); `timeout` in seconds is for all of it.

    Raises Unavailable where no whole answer came, whatever the reason.
    """
    try:
        return await within(timeout, _exchange(context, server, method, path, body, content_type))
    except TimeoutError as error:
        raise Unavailable(f"{server} did not answer within {timeout:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(f"{server} shows a certificate that is not to be trusted: {error.verify_message}") from error
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        raise Unavailable(f"{server} does not answer: {error or type(error).__name__}") from error


async def _exchange(
    context: ssl.SSLContext, server: str, method: str, path: str, body: bytes, content_type: str
) -> Answer:
    url = urlsplit(server)
    host, port = url.hostname or "", url.port or 443
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host, limit=1024 * 1024)
    try:
        head = [f"{method} {path} HTTP/1.1", f"Host: {url.netloc}", "Accept: application/json", "Connection: close"]
        head += ["User-Agent: kubefort-coordinator"]
        if body or method in ("POST", "PUT", "PATCH"):
            head += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
        return await _answer(reader)
    finally:
        # Not a graceful end: a server that hangs must not hold us up.
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    status = (await _line(reader)).split(" ", 2)
    if len(status) < 2 or not status[0].startswith("HTTP/1."):
        raise ValueError("what answers does not speak HTTP")
    headers: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = await _line(reader)
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    else:
        raise ValueError("too many headers")
    return Answer(int(status[1]), await _body(reader, headers))


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        chunks: list[bytes] = []
        while size := int((await _line(reader)).split(";")[0], 16):
            if size > _MOST_BODY:
                raise ValueError("the answer is too large")
            chunks.append(await reader.readexactly(size))
            await reader.readexactly(2)
        return b"".join(chunks)
    if "content-length" in headers:
        size = int(headers["content-length"])
        if not 0 <= size <= _MOST_BODY:
            raise ValueError("the answer is too large")
        return await reader.readexactly(size)
    return await reader.read()


async def _line(reader: asyncio.StreamReader) -> str:
    line = await reader.readuntil(b"\n")
    return line.decode("latin-1").rstrip("\r\n")
