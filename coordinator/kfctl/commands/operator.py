"""kfctl operator: who may tell the coordinator what to do."""

from __future__ import annotations

import click
from kfctl.options import config_of, dry_run_option, output_option, run
from kfctl.progress import Output


@click.group()
def command() -> None:
    """Operators, who may use kfctl: list, revoke."""


@command.command("list")
@output_option
@click.pass_context
def list_operators(context: click.Context, output: Output) -> None:
    """Operators that the coordinator knows; the one you are has a star."""
    from kfctl.client import connect
    from kfctl.text import columns, echo_json
    from kubefort.v1.control_pb2 import Operator

    async def ask() -> list[Operator]:
        async with connect(config_of(context)) as client:
            return await client.operators()

    found = run(ask())
    if output == "json":
        echo_json([{"name": each.name, "keys": each.keys, "caller": each.caller} for each in found])
    else:
        rows = [(each.name + ("*" if each.caller else ""), str(each.keys)) for each in found]
        click.echo(columns([("OPERATOR", "KEYS"), *rows]))


@command.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@click.pass_context
def revoke(context: click.Context, name: str, yes: bool, dry_run: bool) -> None:
    """Make every key of operator NAME worthless. `kfctl init` on the coordinator's host admits one again."""
    from kfctl.client import connect
    from kubefort.errors import Refused

    if not yes and not dry_run:
        click.confirm(f"Revoke {name}? Each copy of that kfctl.yaml becomes worthless.", abort=True)

    async def ask() -> None:
        async with connect(config_of(context)) as client:
            if not dry_run:
                await client.revoke_operator(name)
            elif name not in {operator.name for operator in await client.operators()}:
                raise Refused(f"there is no operator {name}", "see `kfctl operator list`")

    run(ask())
    click.echo(f"would revoke {name}" if dry_run else f"{name} is revoked")
