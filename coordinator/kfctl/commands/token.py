"""kfctl token: what lets hosts join."""

from __future__ import annotations

import click
from kfctl.options import DURATION, config_of, dry_run_option, output_option, run
from kfctl.progress import Output

ROLES = ["control-plane", "worker"]


@click.group()
def command() -> None:
    """Tokens that let hosts join."""


@command.command()
@click.option("--role", type=click.Choice(ROLES), default="worker", show_default=True, help="What hosts become.")
@click.option("--ttl", type=DURATION, default="24h", show_default=True, help="How long it is good.")
@click.option("--uses", type=click.IntRange(1, 10000), default=1, show_default=True, help="For how many hosts.")
@dry_run_option
@output_option
@click.pass_context
def create(context: click.Context, role: str, ttl: float, uses: int, dry_run: bool, output: Output) -> None:
    """Make a token and print the command that joins a host with it."""
    from kfctl.client import connect
    from kfctl.text import duration, echo_json
    from kubefort.v1.control_pb2 import CreateTokenResponse

    async def ask() -> CreateTokenResponse:
        async with connect(config_of(context)) as client:
            return await client.create_token(role, ttl, uses)

    if dry_run:
        click.echo(f"would make a token for the role {role}, good for {duration(ttl)} and {uses} use(s)")
        return
    answer = run(ask())
    if output == "json":
        echo_json({"token": answer.token, "joinCommand": answer.join_command, "role": role, "uses": uses})
    else:
        click.echo(answer.join_command)


@command.command("list")
@output_option
@click.pass_context
def list_tokens(context: click.Context, output: Output) -> None:
    """Tokens that are still good; their secret half is not kept anywhere."""
    from kfctl.client import connect
    from kfctl.text import clock, columns, echo_json
    from kubefort.v1.control_pb2 import Token

    async def ask() -> list[Token]:
        async with connect(config_of(context)) as client:
            return await client.tokens()

    tokens = run(ask())
    if output == "json":
        echo_json([{"id": t.id, "role": t.role, "usesLeft": t.uses_left, "expires": t.expires} for t in tokens])
    else:
        rows = [(t.id, t.role, str(t.uses_left), clock(t.expires)) for t in tokens]
        click.echo(columns([("TOKEN", "ROLE", "USES LEFT", "EXPIRES"), *rows]))


@command.command()
@click.argument("id")
@dry_run_option
@click.pass_context
def delete(context: click.Context, id: str, dry_run: bool) -> None:
    """Make a token worthless. ID is its public half, six characters; the whole token is taken too."""
    from kfctl.client import connect
    from kubefort.errors import Refused

    public = id.split(".", 1)[0]

    async def ask() -> None:
        async with connect(config_of(context)) as client:
            if not dry_run:
                await client.delete_token(public)
            elif public not in {token.id for token in await client.tokens()}:
                raise Refused(f"there is no token {public}", "see `kfctl token list`")

    run(ask())
    click.echo(f"would delete token {public}" if dry_run else f"token {public} is deleted")
