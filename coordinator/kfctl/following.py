"""Events as they come, across a restart of the coordinator."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
from kubefort import document
from kubefort.errors import Unavailable
from kubefort.model.status import Event
from kubefort.waiting import backoff

from kfctl.client import connect
from kfctl.progress import Output
from kfctl.text import clock


def line(event: Event) -> str:
    """An event as text, its difference indented below."""
    sign = "!" if event.kind == "Warning" else " "
    first = f"{clock(event.time)} {sign} {event.host:<12} {event.reason:<16} {event.message}".rstrip()
    return "\n".join([first, *(f"{'':22}{text}" for text in event.diff)])


async def show_events(config: Path, host: str, follow: bool, output: Output) -> None:
    """Print events; with `follow` until interrupted, without repeating any after the connection was lost."""
    shown: set[Event] = set()
    latest, pauses, ever = 0.0, backoff(0.5, 5.0), False
    while True:
        try:
            async with connect(config) as client:
                async for event in client.events(host, follow):
                    ever, pauses = True, backoff(0.5, 5.0)
                    if event.time < latest or event in shown:
                        continue
                    shown = {event} if event.time > latest else {*shown, event}
                    latest = event.time
                    click.echo(document.encode(event).decode() if output == "json" else line(event))
        except Unavailable as error:
            if not (follow and ever):
                raise
            click.echo(f"{error.message}; trying again", err=True)
        if not follow:
            return
        await asyncio.sleep(next(pauses))
