"""A kubeconfig with a certificate of its own."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml
from kubefort import files
from kubefort.kubeadm.certificates import Certificate

from kubefort_agent.host.digest import fingerprint
from kubefort_agent.resources.pair import good_pair, kept_pair, own_hour
from kubefort_agent.resources.undo import RestoreFile, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class Kubeconfig:
    """A kubeconfig as kubeadm writes it (phases/kubeconfig, util/kubeconfig): key and certificate inside, except
    kubelet's, which names kubelet's PEM."""

    certificate: Certificate
    algorithm: str
    server: str
    cluster_name: str
    authority: Path
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"kubeconfig {self.certificate.name}"

    @property
    def path(self) -> Path:
        if self.certificate.kubeconfig is None:
            raise ValueError(f"certificate {self.certificate.name} has no kubeconfig")
        return self.certificate.kubeconfig

    @property
    def names_a_file(self) -> bool:
        return self.certificate.path is not None

    async def diff(self, host: Host) -> tuple[str, ...]:
        file = fingerprint(host.path(self.path))
        mark = (file, fingerprint(host.path(self.authority)), self, own_hour(file))
        known = host.verdicts.get(self.key)
        if known is None or known[0] != mark:
            known = (mark, await self._look(host))
            host.verdicts[self.key] = known
        return known[1]

    async def _look(self, host: Host) -> tuple[str, ...]:
        try:
            found = yaml.safe_load(host.path(self.path).read_bytes())
            authority = host.path(self.authority).read_bytes()
        except FileNotFoundError as error:
            return (f"{self.path}: {'/' + str(Path(error.filename).relative_to(host.root))} is missing",)
        except yaml.YAMLError:
            return (f"{self.path}: is not YAML",)
        try:
            user = found["users"][0]["user"]
            certificate = base64.b64decode(user.get("client-certificate-data", ""))
            key = base64.b64decode(user.get("client-key-data", ""))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            return (f"{self.path}: has no user",)
        lines = []
        if host.path(self.path).stat().st_mode & 0o777 != 0o600:
            lines.append(f"{self.path}: mode is not 0600")
        if found != self.document(authority, certificate, key):
            lines.append(f"{self.path}: cluster, context or user differ (wanted server {self.server})")
        if not self.names_a_file:
            faults = await host.pki.faults(certificate, key, authority, self.certificate)
            lines += [f"{self.path}: {fault}" for fault in faults]
        return tuple(lines)

    def document(self, authority: bytes, certificate: bytes, key: bytes) -> dict[str, Any]:
        """The kubeconfig's content; kubeadm's names of user and context (kubelet's: default-auth)."""
        user = self.certificate.common_name
        if self.names_a_file:
            pem = str(self.certificate.path)
            credentials: dict[str, str] = {"client-certificate": pem, "client-key": pem}
        else:
            credentials = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
        context = f"{user}@{self.cluster_name}"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": self.cluster_name,
                    "cluster": {"certificate-authority-data": _base64(authority), "server": self.server},
                }
            ],
            "contexts": [{"name": context, "context": {"cluster": self.cluster_name, "user": user}}],
            "current-context": context,
            "preferences": {},
            "users": [{"name": user, "user": credentials}],
        }

    async def apply(self, host: Host) -> None:
        authority = host.path(self.authority).read_bytes()
        certificate, key = b"", b""
        if not self.names_a_file:
            certificate, key = await self._credentials(host, authority)
        text = yaml.safe_dump(self.document(authority, certificate, key), sort_keys=False)
        files.write(host.path(self.path), text, 0o600)

    async def _credentials(self, host: Host, authority: bytes) -> tuple[bytes, bytes]:
        """Certificate and key of the file as it is where they are still good, else those that we keep, or new ones."""
        try:
            user = yaml.safe_load(host.path(self.path).read_bytes())["users"][0]["user"]
            certificate = base64.b64decode(user["client-certificate-data"])
            key = base64.b64decode(user["client-key-data"])
        except (OSError, yaml.YAMLError, KeyError, IndexError, TypeError, ValueError):
            certificate, key = b"", b""
        if not certificate or await host.pki.faults(certificate, key, authority, self.certificate):
            return await good_pair(host, self.certificate, self.algorithm, authority)
        return certificate, key

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        kept = () if self.names_a_file else (RestoreFile(str(kept_pair(self.certificate))),)
        return (RestoreFile(str(self.path)), *kept)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
