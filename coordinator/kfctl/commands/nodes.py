"""kfctl nodes: one line per host."""

from __future__ import annotations

import click
from kfctl.options import config_of, output_option, run
from kfctl.progress import Output


@click.command()
@output_option
@click.pass_context
def command(context: click.Context, output: Output) -> None:
    """The hosts: role, address, how far they are, and when they were last seen."""
    from kfctl.client import connect
    from kfctl.overviews import hosts
    from kfctl.text import echo_json
    from kubefort.model.operation import Overview

    async def ask() -> Overview:
        async with connect(config_of(context)) as client:
            return await client.overview()

    overview = run(ask())
    if output == "json":
        echo_json(overview.hosts)
    else:
        click.echo(hosts(overview))
