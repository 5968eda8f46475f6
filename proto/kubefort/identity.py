"""Who is who: keys, certificate requests, the pin of an authority, identities on disk, and channels that use them.

cryptography and grpc are imported inside functions: an agent at rest shall not carry what it rarely needs.
"""

from __future__ import annotations

import datetime
import hashlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubefort import files
from kubefort.errors import InvalidInput, KubefortError, Refused, Unavailable

if TYPE_CHECKING:
    import grpc.aio
    from cryptography.x509 import Certificate

SERVER_NAME = "kubefort-coordinator"
AGENTS = "kubefort:agents"
OPERATORS = "kubefort:operators"

_KEEPALIVE: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_receive_message_length", 16 << 20),
)


def new_key(algorithm: str = "ECDSA-P256") -> str:
    """A new private key, PEM (PKCS #8); algorithm ECDSA-P256 or RSA-2048."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key: Any
    if algorithm == "ECDSA-P256":
        key = ec.generate_private_key(ec.SECP256R1())
    elif algorithm == "RSA-2048":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    else:
        raise InvalidInput(f"key algorithm {algorithm!r} is not one of ECDSA-P256, RSA-2048")
    pem: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def certificate_request(key: str, common_name: str) -> str:
    """A certificate request (PKCS #10, PEM) that proves the possession of `key`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    private: Any = serialization.load_pem_private_key(key.encode(), None)
    # The signer decides the subject: this one is a hint only, and x509 has no name for more than 64 characters.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])] if common_name else [])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(private, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _certificate(data: str | bytes) -> Certificate:
    from cryptography import x509

    try:
        if isinstance(data, bytes):
            return x509.load_der_x509_certificate(data)
        return x509.load_pem_x509_certificate(data.encode())
    except ValueError as error:
        raise InvalidInput(f"not a certificate: {error}") from error


def _pin(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives import serialization

    info = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"sha256:{hashlib.sha256(info).hexdigest()}"


def pin(ca_pem: str) -> str:
    """The pin of an authority in kubeadm's form: sha256: and the hash of its SubjectPublicKeyInfo."""
    return _pin(_certificate(ca_pem))


def fetch_authority(address: str, pin: str, timeout: float = 10.0) -> str:
    """The authority's certificate (PEM) that the server at `address` (host:port) shows and whose pin is `pin`.

    Raises Refused where it shows none with this pin or our clock is far off, Unavailable without an answer. Blocks.
    """
    from cryptography.hazmat.primitives import serialization

    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the pin is what is verified, below
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout) as plain,
            context.wrap_socket(plain, server_hostname=SERVER_NAME) as secured,
        ):
            sslobj: Any = secured._sslobj  # type: ignore[attr-defined]  # public from Python 3.13 on
            chain = [bytes(ssl.PEM_cert_to_DER_cert(each.public_bytes())) for each in sslobj.get_unverified_chain()]
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"{address} does not answer: {error}",
            "check the address, and `systemctl status kubefort-coordinator` there",
        ) from error
    found = [_certificate(der) for der in chain]
    for certificate in found:
        if _pin(certificate) == pin.lower():
            _check_time(found)
            return certificate.public_bytes(serialization.Encoding.PEM).decode()
    raise Refused(
        f"{address} is not the coordinator you expect: none of its certificates has the pin {pin}",
        "copy the join command again from `kfctl token create`; if it is right, somebody answers in its place",
    )


def _check_time(chain: list[Certificate]) -> None:
    """Raises Refused where our clock lies outside of a certificate's time; TLS would only say that it is bad."""
    now = datetime.datetime.now(datetime.timezone.utc)
    for certificate in chain:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if not begin <= now <= end:
            raise Refused(
                f"the clock of this host says {now:%Y-%m-%d %H:%M} UTC, and the coordinator's certificate is good "
                f"from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
                "set the clock right, for instance with `systemctl restart systemd-timesyncd` or chrony",
            )


@dataclass(frozen=True)
class Identity:
    """A private key, its certificate and the authority that signed it, all PEM."""

    key: str
    certificate: str
    authority: str

    @classmethod
    def load(cls, folder: Path) -> Identity:
        """Read an identity that `save` wrote; raises Unavailable where there is none."""
        try:
            return cls(*((folder / name).read_text() for name in ("tls.key", "tls.crt", "ca.crt")))
        except FileNotFoundError as error:
            raise Unavailable(
                f"no identity in {folder}", "run `kfctl join` on a host, `kfctl init` on the first"
            ) from error

    def save(self, folder: Path) -> None:
        """Write durably as tls.key, tls.crt and ca.crt, for the owner's eyes only."""
        files.make_folder(folder, 0o700)
        files.write(folder / "ca.crt", self.authority, 0o600)
        files.write(folder / "tls.key", self.key, 0o600)
        files.write(folder / "tls.crt", self.certificate, 0o600)

    @property
    def common_name(self) -> str:
        from cryptography.x509.oid import NameOID

        names = _certificate(self.certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(names[0].value) if names else ""

    @property
    def expires(self) -> datetime.datetime:
        """End of the certificate's validity, with time zone UTC."""
        return _certificate(self.certificate).not_valid_after_utc

    @property
    def life_left(self) -> float:
        """The share of the certificate's life that is left, 1 to 0 and below."""
        certificate = _certificate(self.certificate)
        whole = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        return (certificate.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)) / whole


def _channel(address: str, credentials: Any) -> grpc.aio.Channel:
    import grpc.aio

    options = (*_KEEPALIVE, ("grpc.ssl_target_name_override", SERVER_NAME), ("grpc.enable_http_proxy", 0))
    return grpc.aio.secure_channel(address, credentials, options=options)


def channel(address: str, identity: Identity) -> grpc.aio.Channel:
    """A channel with mutual TLS to FleetService and ControlService at `address` (host:port)."""
    import grpc

    credentials = grpc.ssl_channel_credentials(
        identity.authority.encode(), identity.key.encode(), identity.certificate.encode()
    )
    return _channel(address, credentials)


def enrolment_channel(address: str, authority: str) -> grpc.aio.Channel:
    """A channel to EnrolmentService at `address` (host:port) that checks the server by `authority` (PEM)."""
    import grpc

    return _channel(address, grpc.ssl_channel_credentials(authority.encode()))


def as_error(error: grpc.aio.AioRpcError) -> KubefortError:
    """The error that the server meant: message and hint from the details, kind from the status code."""
    import grpc

    code = error.code()
    message, _, hint = (error.details() or code.name).partition("\n")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidInput(message, hint)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return Unavailable(message, hint)
    if code in (
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ):
        return Refused(message, hint)
    return KubefortError(message, hint)
