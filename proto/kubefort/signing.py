"""What an authority signs: the coordinator does, and a control-plane host that holds the key while nobody else answers.

Imports cryptography, so it is imported where that is wanted anyway.
"""

from __future__ import annotations

import datetime
import ipaddress
import warnings
from collections.abc import Iterable
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubefort.errors import InvalidInput

LEAF = datetime.timedelta(days=365)
BACKDATED = datetime.timedelta(minutes=5)
_USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}


def key_usage(*, signs: bool) -> x509.KeyUsage:
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


def subject(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
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


def sign(
    authority: str,
    key: str,
    request: str,
    common_name: str,
    organizations: Iterable[str] = (),
    usages: Iterable[str] = ("client",),
    dns_names: Iterable[str] = (),
    ip_addresses: Iterable[str] = (),
    lifetime: datetime.timedelta = LEAF,
) -> str:
    """A certificate (PEM) for the public key of `request`, by the authority of that certificate and key (PEM); nothing
    else of the request is taken."""
    public: Any = serialization.load_pem_public_key(public_key_of(request).encode())
    issuer = x509.load_pem_x509_certificate(authority.encode())
    private: Any = serialization.load_pem_private_key(key.encode(), None)
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject(common_name, organizations))
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(key_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USAGES[usage] for usage in usages]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_authority_key_identifier(issuer), critical=False)
    )
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ip_addresses]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found)
