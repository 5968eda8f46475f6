"""People who use a cluster while something is done to it: writes, reads and watches through its address, counted.

Each write and read is a connection of its own, so that none is saved by one that was open before. What the server asks
to be sent again (429 with Retry-After, as client-go does it) is sent again, and counted as `again`.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

NAMESPACE = "load"
TIMEOUT_S = 15.0


@dataclass
class Load:
    """Runs from entering to leaving. `failed`: (time.time(), what, why); times in seconds.

    kubeconfig   the administrator's, as text; folder: where its certificate and key may lie for as long as this runs
    """

    address: str
    kubeconfig: str
    folder: Path
    writes: float = 20.0
    reads: float = 10.0
    watches: int = 10
    failed: list[tuple[float, str, str]] = field(default_factory=list)
    done: int = 0
    again: int = 0
    slowest: float = 0.0
    created: list[str] = field(default_factory=list)
    seen: list[set[str]] = field(default_factory=list)
    reconnects: int = 0

    def __enter__(self) -> Load:
        self._context = _context(self.kubeconfig, self.folder)
        self._stop, self._guard = threading.Event(), threading.Lock()
        self._number = 0
        self._threads: list[threading.Thread] = []
        self.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self.seen = [set() for _ in range(self.watches)]
        for index in range(self.watches):
            self._start(lambda index=index: self._watch(index))  # type: ignore[misc]
        for _ in range(4):
            self._start(lambda: self._repeat(4 / self.writes, self._write))
        for _ in range(2):
            self._start(lambda: self._repeat(2 / self.reads, self._read))
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S * 3)

    def settle(self, timeout: float = 30.0) -> None:
        """Stop writing, and wait until every watch has seen everything (or `timeout` seconds have passed)."""
        self.writes_over = True
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.missed():
            time.sleep(0.2)

    writes_over = False

    def missed(self) -> int:
        """Events that some watch has not seen."""
        with self._guard:
            return sum(len({*self.created} - seen) for seen in self.seen)

    def summary(self) -> str:
        return (
            f"{len(self.failed)} of {self.done + len(self.failed)} requests failed, {self.again} were asked to come "
            f"again, slowest {self.slowest:.2f} s, {self.missed()} events missed, {self.reconnects} watches renewed"
        )

    def reasons(self) -> str:
        """The failures in words, a line for each kind and ten seconds."""
        kinds = Counter(
            (time.strftime("%H:%M:%S", time.localtime(at))[:7] + "x", what, re.sub(r"after [\d.]+ s", "", why)[:120])
            for at, what, why in self.failed
        )
        return "\n".join(f"{number:4} {' '.join(kind)}" for kind, number in sorted(kinds.items()))

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status code and JSON of one request on a new connection. Raises OSError or HTTPException."""
        connection = self._connect(TIMEOUT_S)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.address, 6443, timeout=timeout, context=self._context)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, interval: float, work: Callable[[], None]) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + interval, time.monotonic() - 1.0)
            work()

    def _write(self) -> None:
        if self.writes_over:
            return
        with self._guard:
            self._number += 1
            name = f"w-{self._number}"
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
        if self._counted("write", "POST", path, {"metadata": {"name": name}, "data": {"at": str(time.time())}}):
            with self._guard:
                self.created.append(name)

    def _read(self) -> None:
        self._counted("read", "GET", "/api/v1/namespaces/kube-system/configmaps/kubeadm-config")

    def _counted(self, what: str, method: str, path: str, body: Any = None) -> bool:
        begin = time.monotonic()
        while True:
            try:
                code, answer = self.request(method, path, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                code, answer = 0, {"message": f"{type(error).__name__}: {error}"}
            if code != 429:
                break
            self.again += 1
            self._stop.wait(1.0)
        took, ok = time.monotonic() - begin, 200 <= code < 300
        with self._guard:
            self.slowest = max(self.slowest, took)
            self.done += ok
            if not ok:
                self.failed.append((time.time(), what, f"{code} after {took:.2f} s: {answer.get('message')}"))
        return ok

    def _watch(self, index: int) -> None:
        version = ""
        while not self._stop.is_set():
            connection = self._connect(60.0)
            try:
                query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds=50&resourceVersion={version or 0}"
                connection.request("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps?{query}")
                answer = connection.getresponse()
                while not self._stop.is_set() and (line := answer.readline()):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        version = ""  # too old: everything again
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    if event["type"] == "ADDED":
                        with self._guard:
                            self.seen[index].add(event["object"]["metadata"]["name"])
            except (OSError, http.client.HTTPException, ValueError):
                self._stop.wait(0.2)
            finally:
                connection.close()
            self.reconnects += 1


def _context(kubeconfig: str, folder: Path) -> ssl.SSLContext:
    document = yaml.safe_load(kubeconfig)
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    pair = folder / "admin.pem"
    pair.touch(0o600)
    pair.write_bytes(b"".join(base64.b64decode(user[f"client-{kind}-data"]) for kind in ("certificate", "key")))
    context.load_cert_chain(pair)
    pair.unlink()
    return context


class Available:
    """Watches a Deployment: the fewest pods that were available at any moment."""

    def __init__(self, load: Load, name: str, namespace: str = "default") -> None:
        self.fewest = 1_000_000
        self._load, self._path = load, f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Available:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(TIMEOUT_S * 2)

    def _look(self) -> None:
        while not self._stop.wait(0.2):
            try:
                code, found = self._load.request("GET", self._path)
            except (OSError, http.client.HTTPException, ValueError):
                continue
            if code == 200:
                self.fewest = min(self.fewest, found["status"].get("availableReplicas", 0))
