"""The coordinator's folder of keys and secrets: which authorities there are, and who may have what of them."""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
import socket
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from kubefort import files, identity
from kubefort.errors import Refused
from kubefort.kubeadm.certificates import AUTHORITY_COMMON_NAMES
from kubefort.kubeadm.certificates import Authority as AuthorityName
from kubefort.model.cluster import CONTROL_PLANE, Role

from kubefort_coordinator.authority import Authority

_CLUSTER_FILES: dict[AuthorityName, str] = {
    "kubernetes": "ca",
    "etcd": "etcd/ca",
    "front-proxy": "front-proxy-ca",
}
_EVERYBODY = ("pki/ca.crt",)
_CONTROL_PLANE = (
    *_EVERYBODY,
    "pki/ca.key",
    "pki/etcd/ca.crt",
    "pki/etcd/ca.key",
    "pki/front-proxy-ca.crt",
    "pki/front-proxy-ca.key",
    "pki/sa.key",
    "pki/sa.pub",
    "encryption-config",
)


def may_fetch(role: Role, secret: str) -> bool:
    """Whether a host of that role needs the secret of that name."""
    if role == CONTROL_PLANE:
        return secret in _CONTROL_PLANE or secret.startswith("vip-key-")
    return secret in _EVERYBODY


class Pki:
    """Authorities and secrets below the coordinator's folder; made when first asked for, and then kept."""

    def __init__(self, folder: Path, algorithm: str = "ECDSA-P256") -> None:
        self._folder = folder
        self.algorithm = algorithm

    @cached_property
    def fleet(self) -> Authority:
        """The authority of agents', operators' and the coordinator's own identities."""
        pki = self._folder / "pki"
        return Authority.ensure(pki / "fleet-ca.crt", pki / "fleet-ca.key", "kubefort-fleet-ca")

    @property
    def pin(self) -> str:
        return identity.pin(self.fleet.certificate)

    def cluster(self, name: AuthorityName) -> Authority:
        """One of the cluster's authorities."""
        stem = self._folder / "pki/cluster" / _CLUSTER_FILES[name]
        return Authority.ensure(
            stem.with_name(stem.name + ".crt"),
            stem.with_name(stem.name + ".key"),
            AUTHORITY_COMMON_NAMES[name],
            self.algorithm,
        )

    def retire_cluster(self) -> None:
        """Put the cluster's authorities and secrets aside, because its last host is gone; nothing is deleted."""
        number = next(n for n in range(1, 10_000) if not (self._folder / f"retired-{n}").exists())
        for path in (self._folder / "pki/cluster", self._folder / "secrets"):
            if path.is_dir():
                target = self._folder / f"retired-{number}" / path.name
                files.make_folder(target.parent, 0o700)
                os.replace(path, target)
                files.sync_folder(target.parent)
                files.sync_folder(path.parent)

    def server(self, address: str) -> tuple[str, str]:
        """Key and certificate chain (PEM) of the coordinator's servers; only the key is kept on disk."""
        path = self._folder / "pki/server.key"
        if not path.exists():
            files.write(path, identity.new_key(), 0o600)
        key = path.read_text()
        dns = [identity.SERVER_NAME, "localhost", socket.gethostname().lower()]
        addresses = ["127.0.0.1", "::1"]
        try:
            addresses.append(str(ipaddress.ip_address(address)))
        except ValueError:
            dns.append(address)
        request = identity.certificate_request(key, identity.SERVER_NAME)
        leaf = self.fleet.sign(
            request, identity.SERVER_NAME, usages=("server",), dns_names=dict.fromkeys(dns), ip_addresses=addresses
        )
        return key, leaf + self.fleet.certificate

    def secret(self, name: str) -> bytes:
        """The content of a secret by name; raises Refused where there is none of that name."""
        if name in ("pki/sa.key", "pki/sa.pub"):
            return self._service_account(name)
        for authority, stem in _CLUSTER_FILES.items():
            if name == f"pki/{stem}.crt":
                return self.cluster(authority).certificate.encode()
            if name == f"pki/{stem}.key":
                return self.cluster(authority).key.encode()
        if name == "encryption-config":
            return self._made_once("encryption-config", _encryption_config())
        path = self._folder / "secrets" / name
        if "/" in name or not path.is_file():
            raise Refused(f"there is no secret {name}")
        return path.read_bytes()

    def ensure_vip_key(self, id: int) -> str:
        """The name of the secret that holds the key `id` of the virtual IP's adverts, made where missing."""
        name = f"vip-key-{id}"
        self._made_once(name, secrets.token_bytes(32))
        return name

    def keep_vip_key(self, id: int) -> None:
        """Remove every other key of the virtual IP's adverts: an id that comes round again gets a new secret."""
        for path in (self._folder / "secrets").glob("vip-key-*"):
            if path.name != f"vip-key-{id}":
                files.remove(path)

    def _made_once(self, name: str, content: bytes) -> bytes:
        path = self._folder / "secrets" / name
        if not path.exists():
            files.make_folder(path.parent, 0o700)
            files.write(path, content, 0o600)
        return path.read_bytes()

    def _service_account(self, name: str) -> bytes:
        path = self._folder / "pki/cluster/sa.key"
        if not path.exists():
            files.make_folder(path.parent, 0o700)
            files.write(path, identity.new_key(self.algorithm), 0o600)
        key = path.read_bytes()
        if name == "pki/sa.key":
            return key
        public = serialization.load_pem_private_key(key, None).public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _encryption_config() -> bytes:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return (
        "apiVersion: apiserver.config.k8s.io/v1\n"
        "kind: EncryptionConfiguration\n"
        "resources:\n"
        "- resources: [secrets]\n"
        "  providers:\n"
        "  - secretbox:\n"
        "      keys:\n"
        "      - name: key1\n"
        f"        secret: {key}\n"
        "  - identity: {}\n"
    ).encode()


def key_pin(certificate: str | bytes) -> str:
    """The pin of a certificate's public key."""
    return identity.pin(certificate if isinstance(certificate, str) else certificate.decode())


def subject(certificate: str) -> tuple[str, str]:
    """Organization and common name of a certificate (PEM)."""
    loaded = x509.load_pem_x509_certificate(certificate.encode()).subject
    found = [loaded.get_attributes_for_oid(oid) for oid in (x509.NameOID.ORGANIZATION_NAME, x509.NameOID.COMMON_NAME)]
    organization, common_name = (str(names[0].value) if names else "" for names in found)
    return organization, common_name
