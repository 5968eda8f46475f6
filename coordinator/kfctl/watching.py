"""Beginning, resuming and following operations for commands that need nothing else."""

from __future__ import annotations

from pathlib import Path

import click
from kubefort.document import Document
from kubefort.errors import Refused
from kubefort.model.operation import OperationState

from kfctl.client import Client, connect
from kfctl.health import running
from kfctl.progress import Output, demand, follow, reporter
from kfctl.text import echo_json


async def watch_operation(config: Path, id: str | None, timeout: float, output: Output) -> None:
    """Follow an operation (None: the oldest that runs) to its end; raises what stopped it."""
    async with connect(config) as client:
        if id is None:
            under_way = running(await client.overview())
            if not under_way:
                raise Refused("no operation is under way", "see `kfctl operation list`")
            id = under_way[0].id
        await _to_the_end(client, id, timeout, output)


async def resume_operation(config: Path, id: str, ignored: tuple[str, ...], timeout: float, output: Output) -> None:
    """Take up a failed operation and follow it."""
    async with connect(config) as client:
        await _to_the_end(client, (await client.resume(id, ignored)).id, timeout, output)


async def perform(config: Path, kind: str, arguments: Document, timeout: float, output: Output) -> OperationState:
    """Begin an operation and follow it."""
    async with connect(config) as client:
        return await _to_the_end(client, (await client.start(kind, arguments)).id, timeout, output)


async def rehearse(config: Path, kind: str, arguments: Document, output: Output) -> None:
    """Print what an operation would do: its phases, not begun."""
    async with connect(config) as client:
        operation = await client.start(kind, arguments, dry_run=True)
    if output == "json":
        echo_json(operation)
    else:
        click.echo("\n  ".join(["would:", *(phase.title for phase in operation.phases)]))


async def _to_the_end(client: Client, id: str, timeout: float, output: Output) -> OperationState:
    report = reporter(output)
    try:
        operation = await follow(lambda: client.states(id), report, timeout)
        demand(operation)
        report.result(f"{operation.title}: done.", id=operation.id, status=operation.status)
    finally:
        report.close()
    return operation
