"""kfctl join: make this host a member."""

from __future__ import annotations

import click
from kfctl.options import dry_run_option, ignore_option, output_option, run, timeout_option
from kfctl.progress import Output


@click.command()
@click.argument("address")
@click.option("--token", required=True, help="The token that `kfctl token create` printed.")
@click.option("--ca-pin", required=True, metavar="sha256:HEX", help="The pin of the coordinator's authority.")
@click.option("--advertise-address", metavar="ADDRESS", help="This host's address for others; default: found out.")
@ignore_option
@timeout_option("20m")
@dry_run_option
@output_option
def command(
    address: str,
    token: str,
    ca_pin: str,
    advertise_address: str | None,
    ignored: tuple[str, ...],
    timeout: float,
    dry_run: bool,
    output: Output,
) -> None:
    """Make this host a member of the cluster whose coordinator is at ADDRESS.

    The role is the token's. Returns when the host is a Ready node, and may be typed again at any time: what was done is
    not done twice.
    """
    from kfctl.joining import Wish, dry_join, join
    from kfctl.membership import Ticket

    wish = Wish(Ticket.parse(address, token, ca_pin), advertise_address or "", ignored)
    run(dry_join(wish) if dry_run else join(wish, timeout, output))
