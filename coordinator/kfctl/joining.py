"""`kfctl join` step by step."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import click
from kubefort import identity
from kubefort.errors import Refused

from kfctl import thishost
from kfctl.membership import Member, Ticket, enrol, enrolled, own_states, start_agent
from kfctl.progress import Output, Report, demand, follow, reporter


@dataclass(frozen=True)
class Wish:
    """What the operator typed; an empty address: find it out."""

    ticket: Ticket
    address: str
    ignored: tuple[str, ...]


async def _own_address(wish: Wish) -> str:
    if wish.address:
        return await thishost.check_address(wish.address)
    return thishost.source_address(wish.ticket.host) or await thishost.advertise_address()


async def join(wish: Wish, timeout: float, output: Output) -> None:
    """Enrol, start the agent, follow this host's operation to its end."""
    thishost.require_root("join")
    report = reporter(output)
    try:
        member = await enrol(wish.ticket, await _own_address(wish), wish.ignored)
        name = thishost.hostname()
        if member.earlier:
            report.note(f"{name} is enrolled already")
        else:
            report.note(f"{name} is enrolled with {member.fleet_address}")
        await start_agent(member)
        await watch_own(member, name, timeout, report)
        report.result(f"{name} is a member of the cluster and Ready.", host=name, status="joined")
    finally:
        report.close()


async def watch_own(member: Member, name: str, timeout: float, report: Report) -> None:
    """Follow the operation that changes this host; raises what stopped it."""
    beginning = "the coordinator to begin this host's operation (`kfctl init` runs, or another operation is first)"
    demand(await follow(lambda: own_states(member), report, timeout, beginning))


async def dry_join(wish: Wish) -> None:
    """Check what can be checked without changing anything, and say what would be done."""
    address = await _own_address(wish)
    name = thishost.hostname()
    member = enrolled()
    if member is not None:
        if identity.pin(member.identity.authority) != wish.ticket.pin:
            raise Refused(f"this host is a member of another cluster, whose coordinator is {member.fleet_address}")
        click.echo(f"{name} is enrolled already; its agent would be started and its operation followed")
        return
    await asyncio.to_thread(identity.fetch_authority, wish.ticket.address, wish.ticket.pin)
    click.echo(f"the coordinator at {wish.ticket.address} answers and has the expected pin")
    click.echo(f"{name} ({address}) would be enrolled with the token {wish.ticket.token.split('.')[0]}")
    click.echo("kubefort-agent would be started, and preflight checks run before anything else is changed")
