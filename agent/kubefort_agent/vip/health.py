"""Is our API server fit to be reached through the address? A GET over one kept-alive TLS connection, never blocking.

The verdict has hysteresis; the cause tells apart who refused, who accepted and never answered, and who said no.
"""

from __future__ import annotations

import os
import re
import socket
import ssl

import msgspec
from kubefort.vipfile import HealthStatus, VipHealth

_URL = re.compile(r"(https?)://(\[[0-9a-fA-F:.]+\]|[^/:\[\]\s]+)(?::(\d+))?(/.*)?")
_FAILED_CHECK = re.compile(r"^\[-\](\S+)", re.MULTILINE)
_MOST_BYTES = 65536


class Result(msgspec.Struct, frozen=True):
    """One check's outcome; `cause` as in HealthStatus, empty when healthy."""

    cause: str
    reason: str


class Verdict:
    """Hysteresis: `rise` good results in a row make healthy, `fall` bad ones unhealthy; the first counts at once."""

    def __init__(self, rise: int, fall: int) -> None:
        self._rise, self._fall = rise, fall
        self._streak = 0
        self.healthy = False
        self.last = Result("unknown", "not checked yet")
        self.checks = self.failures = 0

    def add(self, result: Result) -> bool:
        """The verdict after one more result."""
        good = not result.cause
        self.checks += 1
        self.failures += not good
        first, self.last = self.checks == 1, result
        if good == self.healthy:
            self._streak = 0
        else:
            self._streak += 1
            if first or self._streak >= (self._rise if good else self._fall):
                self.healthy, self._streak = good, 0
        return self.healthy

    def status(self) -> HealthStatus:
        return HealthStatus(
            healthy=self.healthy,
            cause=self.last.cause,  # type: ignore[arg-type]
            reason=self.last.reason,
            checks=self.checks,
            failures=self.failures,
        )


class Probe:
    """Asks again and again. Use `deadline`, `fileno` (-1: none), `wants_write`; call `step` at either.

    Raises ValueError for a URL it does not understand, OSError or ssl.SSLError for an unusable CA file.
    """

    def __init__(self, settings: VipHealth, now: float) -> None:
        match = _URL.fullmatch(settings.url)
        if match is None:
            raise ValueError(f"health url {settings.url!r} is not understood")
        scheme, host, port, path = match.groups()
        self._host = host.strip("[]")
        self._port = int(port or (443 if scheme == "https" else 80))
        self._request = (
            f"GET {path or '/'} HTTP/1.1\r\nHost: {host}:{self._port}\r\nUser-Agent: kubefort-vip\r\n\r\n".encode()
        )
        self._context = _context(settings.ca_file) if scheme == "https" else None
        self._server_name = settings.server_name or self._host
        self._interval, self._timeout = settings.interval_ms / 1000, settings.timeout_ms / 1000
        self._socket: socket.socket | None = None
        self._phase = "idle"
        self._reused = False
        self._began = now
        self._received = b""
        self.deadline = now
        self.wants_write = False

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None and self._phase != "idle" else -1

    def close(self) -> None:
        self._drop()

    def step(self, now: float, ready: bool) -> Result | None:
        """Go as far as possible; a Result when a check has ended. `ready`: the file descriptor is."""
        if self._phase == "idle":
            if now < self.deadline:
                return None
            self._begin(now)
        elif now >= self.deadline:
            what = "no connection" if self._phase == "connecting" else "accepted, but no answer"
            return self._end(now, Result("hung", f"{what} within {self._timeout * 1000:.0f} ms"))
        elif not ready:
            return None
        try:
            return self._advance(now)
        except (ssl.SSLWantReadError, BlockingIOError):
            self.wants_write = False
        except ssl.SSLWantWriteError:
            self.wants_write = True
        except ssl.SSLCertVerificationError as error:
            return self._end(now, Result("tls", f"certificate not accepted: {error.verify_message}"))
        except ConnectionRefusedError:
            return self._end(now, Result("refused", f"port {self._port} refused the connection"))
        except OSError as error:
            return self._lost(now, error.strerror or str(error))
        return None

    def _begin(self, now: float) -> None:
        self._began, self._received = now, b""
        self.deadline = now + self._timeout
        self._reused = self._socket is not None
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            self._phase = "connecting"
            self.wants_write = True
            self._socket.connect_ex((self._host, self._port))
        else:
            self._phase = "sending"

    def _advance(self, now: float) -> Result | None:
        assert self._socket is not None
        if self._phase == "connecting":
            error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error == 0:
                try:
                    self._socket.getpeername()
                except OSError:
                    return None
            else:
                raise OSError(error, os.strerror(error))
            self.wants_write = False
            self._phase = "sending"
            if self._context is not None:
                self._socket = self._context.wrap_socket(
                    self._socket, server_hostname=self._server_name, do_handshake_on_connect=False
                )
                self._phase = "handshake"
        if self._phase == "handshake":
            assert isinstance(self._socket, ssl.SSLSocket)
            self._socket.do_handshake()
            self._phase = "sending"
        if self._phase == "sending":
            self._socket.send(self._request)
            self.wants_write = False
            self._phase = "receiving"
        while self._phase == "receiving":
            data = self._socket.recv(16384)
            if not data:
                return self._lost(now, "the connection was closed before the answer")
            self._received += data
            answer = parse_response(self._received)
            if answer is not None:
                return self._end(now, judge(*answer[:2]), keep=answer[2])
            if len(self._received) > _MOST_BYTES:
                return self._end(now, Result("http", "the answer is too long"))
        return None

    def _lost(self, now: float, why: str) -> Result | None:
        if self._reused and not self._received:
            # A server may close an idle connection at any time: that says nothing about its health.
            self._drop()
            self._phase, self.deadline = "idle", now
            return None
        cause = "tls" if self._phase == "handshake" else "error"
        return self._end(now, Result(cause, why))

    def _end(self, now: float, result: Result, keep: bool = False) -> Result:
        if not keep:
            self._drop()
        self._phase = "idle"
        self.deadline = max(now, self._began + self._interval)
        return result

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._phase = "idle"


def parse_response(data: bytes) -> tuple[int, str, bool] | None:
    """(status code, body, whether the connection stays open) of a complete HTTP/1.1 response, None while incomplete."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    code = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    keep = headers.get("connection", "").lower() != "close" and parts[0] == "HTTP/1.1"
    length = headers.get("content-length", "")
    if length.isdigit():
        return (code, body.decode(errors="replace"), keep) if len(body) >= int(length) else None
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return (code, body.decode(errors="replace"), keep) if body.endswith(b"0\r\n\r\n") else None
    return code, body.decode(errors="replace"), False


def judge(code: int, body: str) -> Result:
    """What a /readyz answer means."""
    if code == 200:
        return Result("", "answers 200")
    failed = _FAILED_CHECK.findall(body)
    if failed:
        return Result("http", f"HTTP {code}, failing: {', '.join(failed[:5])}")
    hint = " (anonymous requests are not allowed)" if code in (401, 403) else ""
    return Result("http", f"HTTP {code}{hint}")


def _context(ca_file: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
