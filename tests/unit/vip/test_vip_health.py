from __future__ import annotations

import datetime
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubefort.vipfile import VipHealth
from kubefort_agent.vip.health import Probe, Result, Verdict, judge, parse_response

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SICK = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 49\r\n\r\n"
    b"[+]ping ok\n[-]etcd failed: reason withheld\nfailed\n"
)


def verdicts(one: Verdict, results: str) -> str:
    """The verdict after each of `results` (+ good, - bad), as + and -."""
    causes = {"+": Result("", ""), "-": Result("refused", "")}
    return "".join("+" if one.add(causes[result]) else "-" for result in results)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("+", "+"),
        ("-", "-"),
        ("+-+-+-", "++++++"),
        ("+--", "++-"),
        ("+--+-++", "++----+"),
        ("-++", "--+"),
    ],
)
def test_hysteresis_of_two_and_two(results: str, expected: str) -> None:
    assert verdicts(Verdict(2, 2), results) == expected


def test_status_counts() -> None:
    one = Verdict(1, 1)
    verdicts(one, "+--")
    status = one.status()
    assert (status.healthy, status.cause, status.checks, status.failures) == (False, "refused", 3, 2)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OK, (200, "ok", True)),
        (OK[:-1], None),
        (b"HTTP/1.1 200 OK\r\nContent-Le", None),
        (b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", (403, "", False)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", None),
        (b"garbage\r\n\r\n", (0, "", False)),
    ],
)
def test_responses(data: bytes, expected: tuple[int, str, bool] | None) -> None:
    assert parse_response(data) == expected


def test_what_an_answer_means() -> None:
    assert judge(200, "ok") == Result("", "answers 200")
    assert "etcd" in judge(500, "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/x failed\n").reason
    assert "anonymous" in judge(401, "").reason
    assert judge(503, "").cause == "http"


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that gives each connection to `answer`; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def check(probe: Probe, now: float) -> Result:
    """Drive one check to its end; its clock stands still unless nothing can happen any more."""
    probe.deadline = min(probe.deadline, now)
    result = probe.step(now, False)
    while result is None:
        reads, writes = ([], [probe.fileno()]) if probe.wants_write else ([probe.fileno()], [])
        if probe.fileno() >= 0:
            select.select(reads, writes, [], 10)
        result = probe.step(now, True)
    return result


def probe_of(port: int) -> Probe:
    return Probe(VipHealth(url=f"http://127.0.0.1:{port}/readyz"), 0.0)


def test_one_connection_serves_many_checks() -> None:
    connections = []

    def answer(connection: socket.socket) -> None:
        connections.append(connection)
        for reply in (OK, SICK, OK):
            connection.recv(1000)
            connection.sendall(reply)

    with server(answer) as port:
        probe = probe_of(port)
        results = [check(probe, now).cause for now in (0.0, 1.0, 2.0)]
    assert results == ["", "http", ""]
    assert len(connections) == 1


def test_a_closed_idle_connection_is_no_failure() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(OK)

    with server(answer) as port:
        probe = probe_of(port)
        assert [check(probe, now).cause for now in (0.0, 1.0, 2.0)] == ["", "", ""]


def test_refused_and_hung_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        hung = probe_of(port)
        assert hung.step(0.0, False) is None
        select.select([], [hung.fileno()], [], 10)
        assert hung.step(0.1, True) is None
        result = hung.step(5.0, False)
    assert result is not None
    assert (result.cause, "no answer" in result.reason) == ("hung", True)
    assert check(probe_of(port), 0.0).cause == "refused"


@pytest.mark.parametrize("url", ["https://", "https://a b/", "http://host:port/"])
def test_urls_that_are_not_understood(url: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        Probe(VipHealth(url=url), 0.0)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for `name`, as (certificate, key) files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.mark.parametrize(
    ("trusted", "name", "cause"),
    [("kubernetes", "kubernetes", ""), ("kubernetes", "other", "tls"), ("other", "kubernetes", "tls"), ("", "", "")],
)
def test_tls_is_verified_with_the_given_ca_and_name(tmp_path: Path, trusted: str, name: str, cause: str) -> None:
    own, key = certificate(tmp_path, "kubernetes")
    certificate(tmp_path, "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, key)

    def answer(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as encrypted:
                for _ in range(2):
                    encrypted.recv(1000)
                    encrypted.sendall(OK)
        except OSError:
            return

    with server(answer) as port:
        settings = VipHealth(
            url=f"https://127.0.0.1:{port}/readyz",
            ca_file=str(tmp_path / f"{trusted}.crt") if trusted else "",
            server_name=name,
        )
        probe = Probe(settings, 0.0)
        results = [check(probe, now) for now in (0.0, 1.0)]
    assert [result.cause for result in results] == [cause, cause], results
