"""The agent's own certificate: how much of its life is left, and whose it is. Standard library only, for it is looked
at for ever."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Any

from kubefort.errors import InvalidInput

RENEW_BELOW = 1 / 3


def _decode(certificate: Path) -> dict[str, Any]:
    try:
        return dict(ssl._ssl._test_decode_cert(str(certificate)))  # type: ignore[attr-defined]
    except (ssl.SSLError, OSError) as error:
        raise InvalidInput(
            f"{certificate} is not a certificate: {error}", "Join this host again: `kfctl join`."
        ) from error


def common_name(certificate: Path) -> str:
    """The CN of a PEM file's certificate: the host's name in the fleet."""
    subject = _decode(certificate).get("subject", ())
    return next((value for rdn in subject for name, value in rdn if name == "commonName"), "")


def life_left(certificate: Path, now: float | None = None) -> float:
    """The share of the certificate's life that is left, 1 to 0 and below."""
    fields = _decode(certificate)
    begins, ends = ssl.cert_time_to_seconds(fields["notBefore"]), ssl.cert_time_to_seconds(fields["notAfter"])
    return (ends - (time.time() if now is None else now)) / max(ends - begins, 1.0)
