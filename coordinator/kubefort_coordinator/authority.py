"""Certificate authorities: the fleet's own and the cluster's three, and what they sign."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from kubefort import files, identity, signing
from kubefort.errors import InvalidInput
from kubefort.signing import BACKDATED, LEAF, public_key_of

AUTHORITY = datetime.timedelta(days=3650)


def request_pin(request: str) -> str:
    """The pin of a certificate request's public key."""
    key = serialization.load_pem_public_key(public_key_of(request).encode())
    info = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(info).hexdigest()}"


def common_name_of(request: str) -> str:
    """The common name that a certificate request asks for, "" where it asks for none."""
    try:
        names = x509.load_pem_x509_csr(request.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError as error:
        raise InvalidInput(f"not a certificate request: {error}") from error
    return str(names[0].value) if names else ""


@dataclass(frozen=True)
class Authority:
    """A certificate authority: certificate and key, PEM."""

    certificate: str
    key: str

    @classmethod
    def ensure(cls, certificate: Path, key: Path, common_name: str, algorithm: str = "ECDSA-P256") -> Authority:
        """Load the authority from its files, or make it, durably, where they are missing.

        A key without its certificate is what a crash between the two writes leaves: the key is kept.
        """
        if not key.exists():
            files.make_folder(key.parent, 0o700)
            files.write(key, identity.new_key(algorithm), 0o600)
        if not certificate.exists():
            files.write(certificate, _self_signed(key.read_text(), common_name), 0o600)
        return cls(certificate.read_text(), key.read_text())

    def sign(
        self,
        request: str,
        common_name: str,
        organizations: Iterable[str] = (),
        usages: Iterable[str] = ("client",),
        dns_names: Iterable[str] = (),
        ip_addresses: Iterable[str] = (),
        lifetime: datetime.timedelta = LEAF,
    ) -> str:
        """A certificate (PEM) for the public key of `request`; nothing else of the request is taken."""
        return signing.sign(
            self.certificate,
            self.key,
            request,
            common_name,
            organizations,
            usages,
            dns_names,
            ip_addresses,
            lifetime,
        )

    def issue(self, common_name: str, organizations: Iterable[str] = (), **names: Any) -> tuple[str, str]:
        """A new key and its certificate, both PEM, for the coordinator's own use."""
        key = identity.new_key()
        return key, self.sign(identity.certificate_request(key, common_name), common_name, organizations, **names)


def _self_signed(key: str, common_name: str) -> str:
    private: Any = serialization.load_pem_private_key(key.encode(), None)
    name = signing.subject(common_name)
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + AUTHORITY)
        .add_extension(signing.key_usage(signs=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
