"""kfctl plan: what the agents would still change."""

from __future__ import annotations

import click
from kfctl.options import config_of, output_option, run
from kfctl.progress import Output


@click.command()
@output_option
@click.pass_context
def command(context: click.Context, output: Output) -> None:
    """What differs on the hosts from their desired state.

    Exit code 0: nothing; 3: something is to be changed; 1: nothing is known of some host.
    """
    from kfctl.client import ask_overview
    from kfctl.exits import CHANGES, FAILED
    from kfctl.text import echo_json

    overview = run(ask_overview(config_of(context)))
    changes: dict[str, list[str]] = {}
    unknown: list[str] = []
    for host in overview.hosts:
        if host.status is None or not host.connected:
            unknown.append(host.name)
        if host.status is None:
            continue
        lines = list(host.status.pending)
        if host.status.observed_generation != host.generation:
            lines.insert(0, f"generation {host.status.observed_generation} becomes {host.generation}")
        elif not host.status.converged and not lines:
            lines.append("not converged yet")
        if lines:
            changes[host.name] = lines
    if output == "json":
        echo_json({"changes": changes, "unknown": unknown})
    else:
        for name, lines in changes.items():
            click.echo("\n  ".join([f"{name}:", *lines]))
        for name in unknown:
            click.echo(f"{name}: not known, its agent is not connected")
        if not changes and not unknown:
            click.echo("Nothing is to be changed.")
    if changes:
        context.exit(CHANGES)
    if unknown:
        context.exit(FAILED)
