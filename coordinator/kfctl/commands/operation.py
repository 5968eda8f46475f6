"""kfctl operation: what is done, was done, and can be taken up again."""

from __future__ import annotations

import click
from kfctl.options import config_of, dry_run_option, ignore_option, output_option, run, timeout_option
from kfctl.progress import Output


@click.group()
def command() -> None:
    """Operations: list, watch, pause, abort, resume."""


@command.command("list")
@output_option
@click.pass_context
def list_operations(context: click.Context, output: Output) -> None:
    """All operations, oldest first."""
    from kfctl.client import ask_overview
    from kfctl.text import clock, columns, duration, echo_json
    from kubefort.model.operation import OperationState

    def row(o: OperationState) -> tuple[str, ...]:
        took = duration((o.ended or overview.time) - o.created)
        waiting = next((p.waiting_for for p in o.phases if p.status == "running" and p.waiting_for), "")
        note = o.error.partition("\n")[0] or (f"waiting for {waiting}" if waiting and o.status == "running" else "")
        return o.id, o.title, o.status, clock(o.created), took, note

    overview = run(ask_overview(config_of(context)))
    operations = sorted(overview.operations, key=lambda operation: operation.created)
    if output == "json":
        echo_json(operations)
    else:
        heading = ("OPERATION", "WHAT", "STATUS", "BEGUN", "TOOK", "")
        click.echo(columns([heading, *(row(operation) for operation in operations)]))


@command.command()
@click.argument("id", required=False)
@timeout_option("60m")
@output_option
@click.pass_context
def watch(context: click.Context, id: str | None, timeout: float, output: Output) -> None:
    """Follow operation ID to its end; without ID the one that runs."""
    from kfctl.watching import watch_operation

    run(watch_operation(config_of(context), id, timeout, output))


@command.command()
@click.argument("id")
@dry_run_option
@click.pass_context
def abort(context: click.Context, id: str, dry_run: bool) -> None:
    """End operation ID where that is safe."""
    from kfctl.client import connect
    from kubefort.model.operation import OperationState

    async def ask() -> OperationState:
        async with connect(config_of(context)) as client:
            return await client.abort(id)

    if dry_run:
        _would(context, "abort", id)
        return
    operation = run(ask())
    click.echo(f"{operation.title}: {operation.status}")


@command.command()
@click.argument("id")
@dry_run_option
@click.pass_context
def pause(context: click.Context, id: str, dry_run: bool) -> None:
    """Stop operation ID when the phase that runs now has ended; `resume` goes on."""
    from kfctl.client import connect
    from kubefort.model.operation import OperationState

    async def ask() -> OperationState:
        async with connect(config_of(context)) as client:
            return await client.pause(id)

    if dry_run:
        _would(context, "pause", id)
        return
    operation = run(ask())
    phase = next((phase.title for phase in operation.phases if phase.status == "running"), "")
    click.echo(f"{operation.title}: " + (f"stops after: {phase}" if phase else operation.status))


@command.command()
@click.argument("id")
@ignore_option
@timeout_option("60m")
@dry_run_option
@output_option
@click.pass_context
def resume(
    context: click.Context, id: str, ignored: tuple[str, ...], timeout: float, dry_run: bool, output: Output
) -> None:
    """Take operation ID up again where it stopped, and follow it to its end."""
    from kfctl.watching import resume_operation

    if dry_run:
        _would(context, "resume", id)
        return
    run(resume_operation(config_of(context), id, ignored, timeout, output))


def _would(context: click.Context, verb: str, id: str) -> None:
    """Say what would become of operation `id`, and which of its phases are left."""
    from kfctl.client import ask_overview
    from kubefort.errors import Refused

    overview = run(ask_overview(config_of(context)))
    operation = next((each for each in overview.operations if each.id == id), None)
    if operation is None:
        raise Refused(f"there is no operation {id}", "see `kfctl operation list`")
    left = [phase.title for phase in operation.phases if phase.status != "done"]
    click.echo("\n  ".join([f"would {verb} {operation.title} ({operation.status}); still to be done:", *left]))
