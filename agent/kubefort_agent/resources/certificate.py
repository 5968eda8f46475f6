"""A certificate and its key on this host: the key is made here, the coordinator signs."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files
from kubefort.kubeadm.certificates import AUTHORITY_FILES, Certificate

from kubefort_agent.host.digest import fingerprint
from kubefort_agent.resources.pair import good_pair, kept_pair, own_hour
from kubefort_agent.resources.undo import RemoveFolder, RestoreFile, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class CertificateFiles:
    """certificate.path and its .key beside it; for kubelet one dated PEM with both, behind kubelet's own link.

    A new one is made before the old one expires, and when names, subject or authority change.
    """

    certificate: Certificate
    algorithm: str
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return f"certificate {self.certificate.name}"

    @property
    def path(self) -> Path:
        if self.certificate.path is None:
            raise ValueError(f"certificate {self.certificate.name} has no file of its own")
        return self.certificate.path

    @property
    def is_kubelets(self) -> bool:
        return self.certificate.name == "kubelet"

    @property
    def key_path(self) -> Path:
        return self.path if self.is_kubelets else self.path.with_suffix(".key")

    async def diff(self, host: Host) -> tuple[str, ...]:
        authority = AUTHORITY_FILES[self.certificate.authority]
        prints = tuple(fingerprint(_followed(host, path)) for path in (self.path, self.key_path, authority))
        mark = (prints, self.certificate, own_hour(prints[0]))
        known = host.verdicts.get(self.key)
        if known is None or known[0] != mark:
            known = (mark, (*await self._faults(host, authority), *self._modes(host)))
            host.verdicts[self.key] = known
        return known[1]

    def _modes(self, host: Host) -> tuple[str, ...]:
        """Whether others may read the key, or change the certificate."""
        lines = []
        for path, wanted in ((self.path, 0o644), (self.key_path, 0o600)):
            place = _followed(host, path)
            found = place.stat().st_mode & 0o7777 if place.exists() else wanted
            if found & ~wanted:
                lines.append(f"{path}: mode is {found:04o}, wanted {wanted:04o}")
        return tuple(lines)

    async def _faults(self, host: Host, authority: Path) -> tuple[str, ...]:
        try:
            certificate = _followed(host, self.path).read_bytes()
            key = _followed(host, self.key_path).read_bytes()
            signer = host.path(authority).read_bytes()
        except FileNotFoundError as error:
            return (f"{self.path}: {'/' + str(Path(error.filename).relative_to(host.root))} is missing",)
        wrong = await host.pki.faults(certificate, key, signer, self.certificate)
        return tuple(f"{self.path}: {fault}" for fault in wrong)

    async def apply(self, host: Host) -> None:
        authority = AUTHORITY_FILES[self.certificate.authority]
        if not await self._faults(host, authority):
            _followed(host, self.path).chmod(0o600 if self.is_kubelets else 0o644)
            _followed(host, self.key_path).chmod(0o600)
            return
        signer = host.path(authority).read_bytes()
        signed, key = await good_pair(host, self.certificate, self.algorithm, signer)
        if self.is_kubelets:
            dated = self.path.with_name(time.strftime("kubelet-client-%Y-%m-%d-%H-%M-%S.pem", time.gmtime()))
            files.write(host.path(dated), signed + key, 0o600)
            files.link(host.path(self.path), str(dated))
        else:
            files.write(host.path(self.key_path), key, 0o600)
            files.write(host.path(self.path), signed, 0o644)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        kept = RestoreFile(str(kept_pair(self.certificate)))
        if self.is_kubelets:
            return (RemoveFolder(str(self.path.parent), everything=True), kept)
        return (RestoreFile(str(self.path)), RestoreFile(str(self.key_path)), kept)


def _followed(host: Host, path: Path) -> Path:
    """Where kubelet's link leads, for us: its target is a path of the host."""
    place = host.path(path)
    return host.path(os.readlink(place)) if place.is_symlink() else place
