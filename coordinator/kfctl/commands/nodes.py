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
    from kfctl.client import ask_overview
    from kfctl.overviews import hosts
    from kfctl.text import echo_json

    overview = run(ask_overview(config_of(context)))
    if output == "json":
        echo_json(overview.hosts)
    else:
        click.echo(hosts(overview))
