"""The operator's certificate renews itself when less than a third of its life is left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import msgspec
from kubefort import identity
from kubefort.errors import KubefortError, Unavailable

from kfctl import operator
from kfctl.operator import Operator

RENEW_BELOW = 1 / 3


async def keep_valid(who: Operator, renew: Callable[[str], Awaitable[str]], config: Path) -> None:
    """Renew the certificate in kfctl.yaml where it is time; what keeps it from that is a warning only.

    `renew` takes a certificate request and gives the certificate. The key stays, so what was handed out stays good.
    """
    if who.identity.life_left >= RENEW_BELOW:
        return
    try:
        certificate = await renew(identity.certificate_request(who.key, who.identity.common_name))
        operator.save(config, msgspec.structs.replace(who, certificate=certificate))
    except Unavailable:
        return  # what the operator typed will say so
    except (KubefortError, OSError) as error:
        why = error.message if isinstance(error, KubefortError) else f"{config}: {error.strerror}"
        click.echo(f"warning: the operator's certificate cannot be renewed: {why}", err=True)
