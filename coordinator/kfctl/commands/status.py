"""kfctl status: the whole picture on one page."""

from __future__ import annotations

import click
from kfctl.options import config_of, output_option, run
from kfctl.progress import Output


@click.command()
@output_option
@click.pass_context
def command(context: click.Context, output: Output) -> None:
    """The cluster, its hosts, and what is being done. Exit code 1 where something is wrong."""
    from kfctl.client import ask_overview
    from kfctl.exits import FAILED
    from kfctl.health import healthy
    from kfctl.overviews import page
    from kfctl.text import echo_json

    overview = run(ask_overview(config_of(context)))
    if output == "json":
        echo_json({"healthy": healthy(overview), "overview": overview})
    else:
        click.echo(page(overview))
    if not healthy(overview):
        context.exit(FAILED)
