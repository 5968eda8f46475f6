"""kfctl events: what happened on the hosts."""

from __future__ import annotations

import click
from kfctl.options import config_of, output_option, run
from kfctl.progress import Output


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on.")
@click.option("--host", default="", help="Only this host's.")
@output_option
@click.pass_context
def command(context: click.Context, follow: bool, host: str, output: Output) -> None:
    """What the agents did and found, oldest first; with the difference that was put right."""
    from kfctl.following import show_events

    run(show_events(config_of(context), host, follow, output))
