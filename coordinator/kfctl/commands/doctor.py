"""kfctl doctor: what is wrong, why, and what to type."""

from __future__ import annotations

import click
from kfctl.options import config_of, output_option, run
from kfctl.progress import Output


@click.command()
@output_option
@click.pass_context
def command(context: click.Context, output: Output) -> None:
    """What is wrong, why, and what to type. Exit code 1 where something is."""
    from kfctl.doctor import examine
    from kfctl.exits import FAILED
    from kfctl.text import echo_json

    found = run(examine(config_of(context)))
    if output == "json":
        echo_json(found)
    else:
        for finding in found:
            where = f"{finding.host}: " if finding.host else ""
            click.echo(click.style(f"{finding.severity}: ", bold=True) + where + finding.what)
            if finding.why:
                click.echo(f"  why   {finding.why}")
            for text in finding.command.splitlines():
                click.echo(f"  do    {text}")
        if not found:
            click.echo("Nothing is wrong.")
    if any(finding.severity == "error" for finding in found):
        context.exit(FAILED)
