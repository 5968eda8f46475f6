"""A certificate and its key together, kept in one file: whatever is cut off after that, they are not lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from kubefort import files
from kubefort.errors import KubefortError
from kubefort.kubeadm.certificates import Certificate

from kubefort_agent.resources.secret import KEPT

if TYPE_CHECKING:
    from kubefort_agent.host import Host

CERTIFICATES = KEPT / "certificates"
HOUR_NS = 3_600_000_000_000


def kept_pair(certificate: Certificate) -> Path:
    return CERTIFICATES / f"{certificate.name}.pem"


async def good_pair(host: Host, wanted: Certificate, algorithm: str, authority: bytes) -> tuple[bytes, bytes]:
    """Certificate and key (PEM): the kept ones where they are good, else new ones, kept before anything uses them.

    The key is made here, the coordinator signs. Raises Unavailable while it is away, KubefortError where what it
    signed is not what we want.
    """
    kept = host.path(kept_pair(wanted))
    try:
        pem = kept.read_bytes()
    except FileNotFoundError:
        pem = b""
    if pem and not await host.pki.faults(pem, pem, authority, wanted):
        middle = pem.rfind(b"-----BEGIN ")
        return pem[:middle], pem[middle:]
    key, request = await host.pki.key_and_request(wanted, algorithm)
    signed = (await host.supplies.sign(wanted.name, request)).encode()
    faults = await host.pki.faults(signed, key, authority, wanted)
    if faults:
        raise KubefortError(
            f"the coordinator signed the certificate {wanted.name}, but it {'; '.join(faults)}",
            "Compare this host's clock with the coordinator's: `timedatectl`.",
        )
    files.make_folder(host.path(KEPT), 0o700)
    files.write(kept, signed + key, 0o600)
    return signed, key


def own_hour(fingerprint: tuple[int, ...] | None) -> int:
    """The hour, beginning at a minute of the file's own: hosts with certificates of one age do not look at once."""
    return (time.time_ns() + (fingerprint[2] if fingerprint else 0)) // HOUR_NS
