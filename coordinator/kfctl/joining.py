"""`kfctl join` step by step."""

from __future__ import annotations

import asyncio
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
        member = await become_member(wish, name, report)
        await start_agent(member)
        if await is_joined(member):
            report.result(f"{name} is a member of the cluster already.", host=name, status="unchanged")
            return
        await watch_own(member, timeout, report)
        report.result(f"{name} is a member of the cluster and Ready.", host=name, status="joined")
    finally:
        report.close()


async def become_member(wish: Wish, name: str, report: Report) -> Member:
    """This host's membership: the one on its disk where that still counts and nothing failed, or a new one."""
    member = enrolled()
    state: OperationState | None = None
    if member is not None:
        same_cluster(member, wish.ticket.pin)
        state = await own_state(member)
        if state is not None and (state.status in ("running", "succeeded") or state.kind not in _JOINING):
            report.note(f"{name} is enrolled already")
            return member
    try:
        member = await enrol(wish.ticket, await _own_address(wish), wish.ignored)
    except Refused as error:
        if state is None:
            raise
        raise Refused(
            f"{state.title} {state.status}: {state.error or state.hint}; taking it up again: {error.message}",
            f"on the operator's host: `kfctl operation resume {state.id}`; or {error.hint}",
        ) from error
    report.note(f"{name} is enrolled with {member.fleet_address}")
    return member


async def is_joined(member: Member) -> bool:
    """Whether the operation that made this host a member has ended well before."""
    if not member.earlier:
        return False
    state = await own_state(member)
    return state is not None and (state.status == "succeeded" or state.kind not in _JOINING)


async def watch_own(member: Member, timeout: float, report: Report) -> None:
    """Follow the operation that changes this host; raises what stopped it."""
    beginning = "the coordinator to begin this host's operation (`kfctl init` runs, or another operation is first)"
    demand(await follow(lambda: own_states(member), report, timeout, beginning))


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
