"""Clients of the API through one address, as client-go is one: steady writes, many watches, and what went wrong.

A request whose connection breaks is tried again once a moment later, on a new connection, and noted as broken; failed
is one that got no answer, or not the one it should, for GRACE seconds. A watch that ends begins again behind the last
event that it saw; missed are events that no try brought.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.operator import ADMIN, Operator
from tests.lab.shell import LabError

PORT = 6443
GRACE = 10.0
RETRY = 0.1
NAMESPACE = "/api/v1/namespaces/load"
OBJECTS = 10


def administrator(operator: Operator) -> ssl.SSLContext:
    """TLS as the cluster's administrator, from the first control-plane host's admin.conf."""
    config = yaml.safe_load(operator.first.read(ADMIN))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "pair.pem")
        parts = (user["client-certificate-data"], user["client-key-data"])
        pair.write_bytes(b"".join(base64.b64decode(part) for part in parts))
        context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        context.load_cert_chain(pair)
    return context


class Load:
    """`rate` writes a second and `watches` watches until it is left; then `verdict`."""

    def __init__(self, operator: Operator, rate: int = 20, watches: int = 50, writers: int = 4) -> None:
        self.address, self._context = operator.vip or operator.first.address, administrator(operator)
        self._pause, self._writers, self._watches = writers / rate, writers, watches
        self._stop, self._ended = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.acknowledged: dict[str, str] = {}
        """Resource version → what was written then, in every answered write."""
        self.last: dict[str, str] = {}
        self.broken: list[str] = []
        self.failed: list[str] = []
        self.slowest = 0.0
        self.seen: list[set[str]] = [set() for _ in range(watches)]
        self.restarts = 0

    def __enter__(self) -> Load:
        client = Client(self.address, self._context)
        client.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "load"}}, allowed=(201, 409))
        for number in range(OBJECTS):
            body = {"metadata": {"name": f"object-{number}"}, "data": {}}
            client.ask("POST", f"{NAMESPACE}/configmaps", body, allowed=(201, 409))
        listed = client.ask("GET", f"{NAMESPACE}/configmaps")
        version = str(listed["metadata"]["resourceVersion"])
        self._threads = [threading.Thread(target=self._watch_all, args=(version,), daemon=True)]
        self._threads += [threading.Thread(target=self._write, args=(n,), daemon=True) for n in range(self._writers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads[1:]:
            thread.join(30)
        end = time.monotonic() + 30
        while self.missed() and time.monotonic() < end:
            time.sleep(0.5)
        self._ended.set()
        self._threads[0].join(10)

    def missed(self) -> int:
        """Events that some watch did not bring (yet)."""
        return sum(len(self.acknowledged.keys() - seen) for seen in self.seen)

    def verdict(self) -> dict[str, float]:
        """What came out, in numbers."""
        return {
            "writes": len(self.acknowledged),
            "broken": len(self.broken),
            "failed": len(self.failed),
            "slowest_s": round(self.slowest, 2),
            "watch_restarts": self.restarts,
            "missed_events": self.missed(),
        }

    def lost(self) -> list[str]:
        """Objects that do not hold what was last acknowledged."""
        listed = Client(self.address, self._context).ask("GET", f"{NAMESPACE}/configmaps")
        found = {item["metadata"]["name"]: item.get("data", {}) for item in listed["items"]}
        return [f"{name}: {found.get(name)}" for name, text in self.last.items() if found.get(name) != {"n": text}]

    def _write(self, writer: int) -> None:
        client = Client(self.address, self._context, self.broken)
        mine = [number for number in range(OBJECTS) if number % self._writers == writer]
        count, due = 0, time.monotonic()
        while not self._stop.is_set():
            name, text = f"object-{mine[count % len(mine)]}", f"{writer}-{count}"
            begun = time.monotonic()
            try:
                answer = client.ask("PATCH", f"{NAMESPACE}/configmaps/{name}", {"data": {"n": text}})
            except LabError as error:
                self.failed.append(str(error))
            else:
                with self._lock:
                    self.acknowledged[str(answer["metadata"]["resourceVersion"])] = text
                    self.last[name] = text
                    self.slowest = max(self.slowest, time.monotonic() - begun)
            count += 1
            due = max(due + self._pause, time.monotonic() - 1)
            self._stop.wait(max(0.0, due - time.monotonic()))

    def _watch_all(self, version: str) -> None:
        asyncio.run(self._watching(version))

    async def _watching(self, version: str) -> None:
        tasks = [asyncio.ensure_future(self._watch(number, version)) for number in range(self._watches)]
        while not self._ended.is_set():
            await asyncio.sleep(0.2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, number: int, version: str) -> None:
        while True:
            with contextlib.suppress(OSError, EOFError, asyncio.TimeoutError, ValueError):
                version = await self._watch_once(number, version)
            self.restarts += 1
            await asyncio.sleep(RETRY)

    async def _watch_once(self, number: int, version: str) -> str:
        """Follow until the stream ends; the version of the last event. A hung one is given up by its timeout."""
        connecting = asyncio.open_connection(self.address, PORT, ssl=self._context, limit=1 << 20)
        reader, writer = await asyncio.wait_for(connecting, 5)
        try:
            path = f"{NAMESPACE}/configmaps?watch=1&resourceVersion={version}&timeoutSeconds=600"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: api\r\nAccept: application/json\r\n\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            if b" 200 " not in head.partition(b"\r\n")[0]:
                return version
            rest = b""
            while size := int(await asyncio.wait_for(reader.readline(), 30), 16):
                rest += await reader.readexactly(size)
                await reader.readexactly(2)
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ValueError(event["object"].get("message"))
                    version = str(event["object"]["metadata"]["resourceVersion"])
                    self.seen[number].add(version)
        except (OSError, EOFError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()
        return version


class Client:
    """One connection that is kept. `broken` gets a line for each try that its connection did not survive."""

    def __init__(self, address: str, context: ssl.SSLContext, broken: list[str] | None = None) -> None:
        self._address, self._context = address, context
        self._broken = broken if broken is not None else []
        self._connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, body: Any = None, allowed: tuple[int, ...] = (200, 201)) -> Any:
        """The answer's document. Raises LabError where there is none for GRACE seconds."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        last = ""
        for begun in self._tries():
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPSConnection(
                        self._address, PORT, timeout=5, context=self._context
                    )
                content = None if body is None else json.dumps(body)
                self._connection.request(method, path, content, {"Content-Type": kind})
                answer = self._connection.getresponse()
                said = answer.read()
                if answer.status in allowed:
                    return json.loads(said)
                last = f"{answer.status} {said[:200]!r}"
                if answer.status not in (429, 503):
                    break
            except (OSError, http.client.HTTPException) as error:
                last = f"{type(error).__name__}: {error}"
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._broken.append(f"{time.strftime('%X')} {method} after {time.monotonic() - begun:.2f} s: {last}")
        raise LabError(f"{time.strftime('%X')} {method} {path}: {last}")

    def _tries(self) -> Iterator[float]:
        end = time.monotonic() + GRACE
        while time.monotonic() < end:
            yield time.monotonic()
            time.sleep(RETRY)
