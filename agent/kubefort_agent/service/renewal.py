"""The identity's certificate is renewed by itself when less than a third of its life is left."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kubefort import log
from kubefort.errors import KubefortError

from kubefort_agent.service.identity import RENEW_BELOW, common_name, life_left
from kubefort_agent.service.supplies import RemoteSupplies

LOOK_EVERY = 3600.0

_log = log.get("identity")


async def keep_valid(folder: Path, supplies: RemoteSupplies, pause: float = LOOK_EVERY) -> None:
    """For ever: look, renew, retry a failed renewal at the next look."""
    while True:
        try:
            if life_left(folder / "tls.crt") < RENEW_BELOW:
                await renew(folder, supplies)
        except (KubefortError, OSError) as error:
            _log.warning("the identity cannot be renewed", error=str(error))
        await asyncio.sleep(pause)


async def renew(folder: Path, supplies: RemoteSupplies) -> None:
    """A new certificate for the key that we have: one file changes, so a crash leaves a whole identity."""
    from kubefort import files
    from kubefort.identity import Identity, certificate_request

    identity = Identity.load(folder)
    certificate = await supplies.renew(certificate_request(identity.key, common_name(folder / "tls.crt")))
    files.write(folder / "tls.crt", certificate, 0o600)
    _log.info("identity renewed", life_left=life_left(folder / "tls.crt"))
