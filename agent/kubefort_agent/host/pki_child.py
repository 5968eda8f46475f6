"""Keys, requests and looks at certificates: what `pki` asks of a child. Only this file imports cryptography."""

from __future__ import annotations

import datetime
import ipaddress
import json
import sys
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from kubefort import signing
from kubefort.errors import KubefortError
from kubefort.kubeadm.certificates import Certificate


def new_key(algorithm: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    if algorithm == "RSA-2048":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    """In the traditional form (BEGIN EC/RSA PRIVATE KEY), as kubeadm writes keys."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def request_for(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, common_name: str, organizations: tuple[str, ...]
) -> str:
    """A certificate request (PEM). The signer takes only the public key from it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(signing.subject(common_name, organizations))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def key_and_request(certificate: Certificate, algorithm: str) -> tuple[bytes, str]:
    """A new key (PEM) and the request (PEM) for its certificate."""
    key = new_key(algorithm)
    return key_pem(key), request_for(key, certificate.common_name, certificate.organizations)


def sign(request: str, authority: str, key: str, wanted: Certificate) -> str:
    """The certificate (PEM) for a request, by an authority whose key this host holds, with the names of `wanted`.

    Raises KubefortError where the clock is outside the authority's own life: then it is the clock that is wrong.
    """
    signer = x509.load_pem_x509_certificate(authority.encode())
    begins, ends = signer.not_valid_before_utc, signer.not_valid_after_utc
    now = datetime.datetime.now(datetime.timezone.utc)
    if not begins <= now <= ends:
        raise KubefortError(
            f"it is {now:%Y-%m-%d} by this host's clock, and {signer.subject.rfc4514_string()} lives from "
            f"{begins:%Y-%m-%d} to {ends:%Y-%m-%d}: nothing is signed with it"
        )
    return signing.sign(
        authority,
        key,
        request,
        wanted.common_name,
        wanted.organizations,
        wanted.usages,
        wanted.dns_names,
        wanted.ip_addresses,
        min(signing.LEAF, ends - now),
    )


def life_left(pem: bytes) -> float:
    """The share of a certificate's life that is left by our clock, from 1 to 0 and below."""
    found = x509.load_pem_x509_certificate(pem)
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    return (ends - datetime.datetime.now(datetime.timezone.utc)) / max(ends - begins, datetime.timedelta(seconds=1))


def faults(pem: bytes, key: bytes, authority: bytes, wanted: Certificate, share: float) -> tuple[str, ...]:
    """What is wrong with a certificate: unreadable, another key's, another signer's, other names, soon expired."""
    try:
        found = x509.load_pem_x509_certificate(pem)
        private = serialization.load_pem_private_key(key, None)
        signer = x509.load_pem_x509_certificate(authority)
    except (ValueError, TypeError):
        return ("certificate or key cannot be read",)
    lines = []
    if found.public_key() != private.public_key():
        lines.append("certificate and key do not belong together")
    try:
        found.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        lines.append(f"is not signed by {signer.subject.rfc4514_string()}")
    lines += _wrong_names(found, wanted)
    if life_left(pem) < share:
        lines.append(f"ends at {found.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}, wanted a new one")
    if found.not_valid_before_utc > datetime.datetime.now(datetime.timezone.utc):
        lines.append(f"is not valid before {found.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}")
    return tuple(lines)


def _wrong_names(found: x509.Certificate, wanted: Certificate) -> list[str]:
    lines = []
    subject = {
        "CN": {str(a.value) for a in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)},
        "O": {str(a.value) for a in found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)},
    }
    expected = {"CN": {wanted.common_name}, "O": set(wanted.organizations)}
    for field, values in expected.items():
        if subject[field] != values:
            lines.append(f"{field} is {sorted(subject[field])}, wanted {sorted(values)}")
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns, addresses = set(names.get_values_for_type(x509.DNSName)), set(names.get_values_for_type(x509.IPAddress))
    except x509.ExtensionNotFound:
        dns, addresses = set(), set()
    if dns != set(wanted.dns_names):
        lines.append(f"DNS names are {sorted(dns)}, wanted {sorted(wanted.dns_names)}")
    if addresses != {ipaddress.ip_address(address) for address in wanted.ip_addresses}:
        lines.append(f"IP addresses are {sorted(map(str, addresses))}, wanted {sorted(wanted.ip_addresses)}")
    return lines


def answer(request: dict[str, Any]) -> object:
    """The answer to one of `pki`'s requests."""
    wanted = Certificate(**request["wanted"])
    if request["do"] == "faults":
        pem, key, authority = (request[field].encode() for field in ("pem", "key", "authority"))
        return faults(pem, key, authority, wanted, request["share"])
    if request["do"] == "sign":
        return sign(request["request"], request["authority"], request["key"], wanted)
    key, text = key_and_request(wanted, request["algorithm"])
    return key.decode(), text


def main() -> None:
    try:
        answers = [answer(request) for request in json.load(sys.stdin)]
    except KubefortError as error:
        raise SystemExit(str(error)) from error
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
