"""kfctl vip: the virtual IP, seen and steered."""

from __future__ import annotations

import click
from kfctl.options import config_of, dry_run_option, output_option, run, timeout_option
from kfctl.progress import Output


@click.group()
def command() -> None:
    """The virtual IP: who holds it, moving it, the key of its adverts."""


@command.command()
@output_option
@click.pass_context
def status(context: click.Context, output: Output) -> None:
    """Holder, priorities, adverts, authentication, clocks. Exit code 1 where not exactly one host holds it."""
    from kfctl.client import connect
    from kfctl.exits import FAILED
    from kfctl.text import echo_json
    from kfctl.virtualip import document, holders, page
    from kubefort.model.operation import Overview

    async def ask() -> Overview:
        async with connect(config_of(context)) as client:
            return await client.overview()

    overview = run(ask())
    if output == "json":
        echo_json(document(overview))
    else:
        click.echo(page(overview))
    if overview.cluster is not None and overview.cluster.vip is not None and len(holders(overview)) != 1:
        context.exit(FAILED)


@command.command()
@click.argument("host", required=False, default="")
@timeout_option("3m")
@dry_run_option
@output_option
@click.pass_context
def move(context: click.Context, host: str, timeout: float, dry_run: bool, output: Output) -> None:
    """Let HOST hold the virtual IP, or the next fit host; connections that are open go on."""
    from kfctl.watching import perform, rehearse
    from kubefort.model.operation import VipMoveArguments

    config, arguments = config_of(context), VipMoveArguments(host)
    if dry_run:
        run(rehearse(config, "vip-move", arguments, output))
        return
    run(perform(config, "vip-move", arguments, timeout, output))


@command.command("rotate-key")
@timeout_option("15m")
@dry_run_option
@output_option
@click.pass_context
def rotate_key(context: click.Context, timeout: float, dry_run: bool, output: Output) -> None:
    """Sign the virtual IP's adverts with a new key; where they were not signed, they are from then on.

    The coordinator does it by itself every 30 days.
    """
    from kfctl.watching import perform, rehearse
    from kubefort.model.operation import VipRotateKeyArguments

    config, arguments = config_of(context), VipRotateKeyArguments()
    if dry_run:
        run(rehearse(config, "vip-rotate-key", arguments, output))
        return
    run(perform(config, "vip-rotate-key", arguments, timeout, output))
