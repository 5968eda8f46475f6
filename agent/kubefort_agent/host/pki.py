"""Keys, requests and looks at certificates, by a child (pki_child)."""

from __future__ import annotations

import hashlib

import msgspec
from kubefort.kubeadm.certificates import Certificate

from kubefort_agent.host.child import Child

SPREAD = 0.05
"""Certificates of one age are renewed within this share of their life (18 days of a year), not all at once: some of
what reads them is restarted then."""


def renewal_share(certificate: Certificate, pem: bytes) -> float:
    """The share of its life that a certificate must have left. Kubelet renews its own at 10 to 30 %: we come after."""
    if certificate.name == "kubelet":
        return 0.05
    return 1 / 3 + SPREAD * int.from_bytes(hashlib.sha256(pem).digest()[:4], "big") / 2**32


class Pki:
    """Requests made together are answered together."""

    def __init__(self) -> None:
        self._child = Child("kubefort_agent.host.pki_child")

    async def faults(
        self, pem: bytes, key: bytes, authority: bytes, wanted: Certificate, share: float | None = None
    ) -> tuple[str, ...]:
        """What is wrong with a certificate: unreadable, another key's, another signer's, other names, soon expired.

        share  of its life that must be left; without it, what renewals want
        """
        request = {
            "do": "faults",
            "pem": pem.decode(errors="replace"),
            "key": key.decode(errors="replace"),
            "authority": authority.decode(errors="replace"),
            "wanted": msgspec.to_builtins(wanted, enc_hook=str),
            "share": renewal_share(wanted, pem) if share is None else share,
        }
        return tuple(await self._child.ask(request))

    async def key_and_request(self, certificate: Certificate, algorithm: str) -> tuple[bytes, str]:
        """A new key (PEM, traditional form) and the request (PEM) for its certificate."""
        wanted = msgspec.to_builtins(certificate, enc_hook=str)
        key, request = await self._child.ask({"do": "request", "wanted": wanted, "algorithm": algorithm})
        return key.encode(), request

    async def sign(self, request: str, authority: bytes, key: bytes, wanted: Certificate) -> str:
        """The certificate (PEM) for a request (PEM), signed with an authority's key that this host holds."""
        return str(
            await self._child.ask(
                {
                    "do": "sign",
                    "request": request,
                    "authority": authority.decode(),
                    "key": key.decode(),
                    "wanted": msgspec.to_builtins(wanted, enc_hook=str),
                }
            )
        )
