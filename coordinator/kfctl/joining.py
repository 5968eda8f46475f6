"""`kfctl join` step by step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import click
from kubefort import identity
from kubefort.errors import Refused
from kubefort.model.operation import OperationState

from kfctl import thishost
from kfctl.membership import Member, Ticket, enrol, enrolled, own_state, own_states, same_cluster, start_agent
from kfctl.progress import Output, Report, demand, follow, reporter

_JOINING = ("bootstrap", "join")


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
    name = thishost.hostname()
    report = reporter(output)
    try:
        member, state = await become_member(wish, name, report)
        await start_agent(member)
        if state is not None and (state.status == "succeeded" or state.kind not in _JOINING):
            report.result(f"{name} is a member of the cluster already.", host=name, status="unchanged")
            return
        await watch_own(member, wish.ignored, timeout, report)
        report.result(f"{name} is a member of the cluster and Ready.", host=name, status="joined")
    finally:
        report.close()


async def become_member(wish: Wish, name: str, report: Report) -> tuple[Member, OperationState | None]:
    """This host's membership, the one on its disk where that still counts; with the operation that changed it last."""
    member = enrolled()
    if member is not None:
        same_cluster(member, wish.ticket.pin)
        try:
            state = await own_state(member)
        except Refused as error:
            report.note(f"the membership on this host's disk does not count any more: {error.message}")
        else:
            report.note(f"{name} is enrolled already")
            return member, state
    member = await enrol(wish.ticket, await _own_address(wish), wish.ignored)
    report.note(f"{name} is enrolled with {member.fleet_address}")
    return member, None


async def watch_own(member: Member, ignored: tuple[str, ...], timeout: float, report: Report) -> None:
    """Follow the operation that changes this host, taken up again where it failed; raises what stopped it."""
    resume = member.earlier

    def states() -> AsyncIterator[OperationState]:
        nonlocal resume
        once, resume = resume, False
        return own_states(member, once, ignored)

    beginning = "the coordinator to begin this host's operation (`kfctl init` runs, or another operation is first)"
    demand(await follow(states, report, timeout, beginning))


async def dry_join(wish: Wish) -> None:
    """Check what can be checked without changing anything, and say what would be done."""
    address = await _own_address(wish)
    name = thishost.hostname()
    member = enrolled()
    if member is not None:
        same_cluster(member, wish.ticket.pin)
        click.echo(f"{name} is enrolled already; its agent would be started and its operation followed")
        return
    await asyncio.to_thread(identity.fetch_authority, wish.ticket.address, wish.ticket.pin)
    click.echo(f"the coordinator at {wish.ticket.address} answers and has the expected pin")
    click.echo(f"{name} ({address}) would be enrolled with the token {wish.ticket.token.split('.')[0]}")
    click.echo("kubefort-agent would be started, and preflight checks run before anything else is changed")
