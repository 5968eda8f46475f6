"""The status socket: one line with a VipRequest, one line back with a VipReply, then the connection is closed."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
from kubefort.vipfile import VipReply, VipRequest

_MOST_CLIENTS = 16
_MOST_BYTES = 4096
_PATIENCE = 5.0

Handler = Callable[["Client", VipRequest], "VipReply | None"]


class Client:
    """One connection. A handler that returned None answers later, by `reply`."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.connection, self.until = connection, until
        self.line = b""
        self.asked = False

    def reply(self, answer: VipReply) -> None:
        with contextlib.suppress(OSError):
            self.connection.setblocking(True)
            self.connection.settimeout(0.05)
            self.connection.sendall(msgspec.json.encode(answer) + b"\n")
        self.connection.close()


class StatusServer:
    """Never blocks. Give `step` the file descriptors that are ready."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path, self._handler = path, handler
        self._clients: dict[int, Client] = {}
        # Under its name only when it listens: who sees it can connect.
        unready = path.with_name(f".{path.name}.new")
        with contextlib.suppress(FileNotFoundError):
            unready.unlink()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._listener.setblocking(False)
        previous = os.umask(0o177)
        try:
            self._listener.bind(str(unready))
        finally:
            os.umask(previous)
        self._listener.listen(8)
        unready.rename(path)

    def filenos(self) -> list[int]:
        waiting = [n for n, client in self._clients.items() if not client.asked and client.connection.fileno() == n]
        return [self._listener.fileno(), *waiting]

    def close(self) -> None:
        self._listener.close()
        for client in self._clients.values():
            client.connection.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def step(self, now: float, ready: set[int]) -> None:
        for number, client in list(self._clients.items()):
            if client.connection.fileno() == -1 or now > client.until:
                client.connection.close()
                del self._clients[number]
            elif number in ready and not client.asked:
                self._read(client)
        if self._listener.fileno() in ready:
            self._accept(now)

    def _accept(self, now: float) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            if len(self._clients) >= _MOST_CLIENTS:
                connection.close()
                return
            client = self._clients[connection.fileno()] = Client(connection, now + _PATIENCE)
            self._read(client)

    def _read(self, client: Client) -> None:
        try:
            data = client.connection.recv(_MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.line += data
        if not data or len(client.line) > _MOST_BYTES:
            client.connection.close()
        elif b"\n" in client.line:
            client.asked = True
            try:
                request = msgspec.json.decode(client.line.partition(b"\n")[0], type=VipRequest)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                client.reply(VipReply(ok=False, message=f"request not understood: {error}"))
                return
            answer = self._handler(client, request)
            if answer is not None:
                client.reply(answer)
