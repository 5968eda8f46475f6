"""A certificate and its key together, kept in one file: whatever is cut off after that, they are not lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from kubefort import files, log
from kubefort.errors import KubefortError, Unavailable
from kubefort.kubeadm.certificates import AUTHORITY_FILES, Certificate

from kubefort_agent.resources.secret import KEPT

if TYPE_CHECKING:
    from kubefort_agent.host import Host

CERTIFICATES = KEPT / "certificates"
HOUR_NS = 3_600_000_000_000

LAST = 0.02
"""With less of its life left (a week of a year), a certificate does not wait for the coordinator any longer."""

_log = log.get("certificates")


def kept_pair(certificate: Certificate) -> Path:
    return CERTIFICATES / f"{certificate.name}.pem"


async def good_pair(host: Host, wanted: Certificate, algorithm: str, authority: bytes) -> tuple[bytes, bytes]:
    """Certificate and key (PEM): the kept ones where they are good, else new ones, kept before anything uses them.

    The key is made here, the coordinator signs. While it is away, this host does where it holds the authority's key and
    has nothing that is good for another while: a control plane that was off for a year asks nobody. Raises Unavailable
    where nobody can sign, KubefortError where what was signed is not what we want.
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
    try:
        signed = (await host.supplies.sign(wanted.name, request)).encode()
    except Unavailable as error:
        own = host.path(AUTHORITY_FILES[wanted.authority].with_suffix(".key"))
        if not own.exists() or (pem and not await host.pki.faults(pem, pem, authority, wanted, share=LAST)):
            raise
        _log.warning("signed on this host", certificate=wanted.name, because=error.message)
        signed = (await host.pki.sign(request, authority, own.read_bytes(), wanted)).encode()
    faults = await host.pki.faults(signed, key, authority, wanted)
    if faults:
        raise KubefortError(
            f"the certificate {wanted.name} was signed, but it {'; '.join(faults)}",
            "Compare this host's clock with the coordinator's: `timedatectl`.",
        )
    files.make_folder(host.path(KEPT), 0o700)
    files.write(kept, signed + key, 0o600)
    return signed, key


def own_hour(fingerprint: tuple[int, ...] | None) -> int:
    """The hour, beginning at a minute of the file's own: hosts with certificates of one age do not look at once."""
    return (time.time_ns() + (fingerprint[2] if fingerprint else 0)) // HOUR_NS
