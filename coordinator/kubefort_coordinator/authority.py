"""Certificate authorities: the fleet's own and the cluster's three, and what they sign."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from kubefort import files, identity
from kubefort.errors import InvalidInput

LEAF = datetime.timedelta(days=365)
AUTHORITY = datetime.timedelta(days=3650)
BACKDATED = datetime.timedelta(minutes=5)
_USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=signs,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    # Kubernetes' names may be longer than RFC 5280's 64 characters ("system:node:" and a host name), and Go reads them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False)])


def public_key_of(request: str) -> str:
    """The public key (PEM) of a certificate request whose signature is right; raises InvalidInput otherwise."""
    try:
        loaded = x509.load_pem_x509_csr(request.encode())
        valid = loaded.is_signature_valid
        key = loaded.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (ValueError, TypeError, InvalidSignature) as error:
        raise InvalidInput(f"not a certificate request: {error}") from error
    if not valid:
        raise InvalidInput("the certificate request's signature is wrong")
    return key.decode()


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
        public: Any = serialization.load_pem_public_key(public_key_of(request).encode())
        issuer = x509.load_pem_x509_certificate(self.certificate.encode())
        private: Any = serialization.load_pem_private_key(self.key.encode(), None)
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name, organizations))
            .issuer_name(issuer.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + lifetime)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([_USAGES[usage] for usage in usages]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_authority_key_identifier(issuer), critical=False)
        )
        names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ip_addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, common_name: str, organizations: Iterable[str] = (), **names: Any) -> tuple[str, str]:
        """A new key and its certificate, both PEM, for the coordinator's own use."""
        key = identity.new_key()
        return key, self.sign(identity.certificate_request(key, common_name), common_name, organizations, **names)


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    subject = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject)


def _self_signed(key: str, common_name: str) -> str:
    private: Any = serialization.load_pem_private_key(key.encode(), None)
    name = _name(common_name)
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + AUTHORITY)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
        .sign(private, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
