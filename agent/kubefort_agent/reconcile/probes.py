"""Are the components well? HTTP GETs over connections that are kept, so that a look costs next to nothing."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from kubefort.model.status import Condition

TIMEOUT = 3.0


class Probe(Protocol):
    """A component's health URL. `authority` None: the server's certificate is not verified (for loopback)."""

    @property
    def component(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def client_certificate(self) -> str: ...
    @property
    def authority(self) -> Path | None: ...


class Prober:
    """Answers are conditions, by component."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="probe")

    async def look(self, probes: Iterable[Probe]) -> tuple[Condition, ...]:
        loop = asyncio.get_running_loop()
        work = [loop.run_in_executor(self._threads, self._get, probe) for probe in probes]
        return tuple(await asyncio.gather(*work))

    def _get(self, probe: Probe) -> Condition:
        fresh = probe.url not in self._connections
        try:
            return self._ask(probe)
        except (OSError, http.client.HTTPException) as error:
            if fresh:
                return Condition(probe.component, False, f"{probe.url}: {error or type(error).__name__}")
        try:
            return self._ask(probe)
        except (OSError, http.client.HTTPException) as error:
            return Condition(probe.component, False, f"{probe.url}: {error or type(error).__name__}")

    def _ask(self, probe: Probe) -> Condition:
        """Ask over the connection that is open or a new one; one that failed is dropped."""
        url = urlsplit(probe.url)
        connection = self._connections.pop(probe.url, None) or self._connect(probe)
        try:
            connection.request("GET", url.path + (f"?{url.query}" if url.query else ""))
            answer = connection.getresponse()
            body = answer.read(4096).decode(errors="replace").strip()
        except BaseException:
            connection.close()
            raise
        if answer.isclosed() and not answer.will_close:
            self._connections[probe.url] = connection
        else:
            connection.close()
        ok = answer.status == 200
        return Condition(probe.component, ok, "" if ok else f"{probe.url}: HTTP {answer.status}: {_last_line(body)}")

    def _connect(self, probe: Probe) -> http.client.HTTPConnection:
        url = urlsplit(probe.url)
        host = url.hostname or "127.0.0.1"
        if url.scheme == "http":
            return http.client.HTTPConnection(host, url.port, timeout=TIMEOUT)
        if probe.authority:
            context = ssl.create_default_context(cafile=str(self._place(probe.authority)))
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if probe.client_certificate:
            place = self._place(Path("/etc/kubernetes/pki") / f"{probe.client_certificate}.crt")
            context.load_cert_chain(place, place.with_suffix(".key"))
        return http.client.HTTPSConnection(host, url.port, timeout=TIMEOUT, context=context)

    def _place(self, path: Path) -> Path:
        return self._root / str(path).lstrip("/")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._connections.values():
            with contextlib.suppress(OSError):
                connection.close()


def _last_line(body: str) -> str:
    failed = [line for line in body.splitlines() if line.startswith("[-]")]
    return "; ".join(failed)[:300] or body[-300:]
