"""kfctl upgrade: to another version of Kubernetes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from kfctl.options import DURATION, config_of, dry_run_option, output_option, run, timeout_option
from kfctl.progress import Output

F = TypeVar("F", bound=Callable[..., Any])


def drain_options(function: F) -> F:
    """How pods leave a node."""
    late = click.Choice(["stop", "delete", "ignore"])
    options = (
        click.option("--drain-timeout", type=DURATION, default="10m", show_default=True, help="How long pods have."),
        click.option(
            "--late",
            type=late,
            default="stop",
            show_default=True,
            help="After that: stop the operation, delete pods whatever their budget, or go on with them on the host.",
        ),
        click.option("--local-data", is_flag=True, help="Pods with an emptyDir may go, and lose what is in it."),
        click.option("--unmanaged-pods", is_flag=True, help="Pods that nobody will start again may go."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def bundle_option(function: F) -> F:
    """--bundle FOLDER"""
    text = "The version's bundle, a folder on the coordinator's host; it is added first."
    return click.option("--bundle", "folder", type=click.Path(path_type=Path), help=text)(function)


@click.group()
def command() -> None:
    """Upgrades of Kubernetes: plan, apply, status."""


@command.command()
@click.argument("version", required=False)
@click.option("--max-unavailable", default="1", show_default=True, metavar="N|P%", help="Workers at once.")
@output_option
@click.pass_context
def plan(context: click.Context, version: str | None, max_unavailable: str, output: Output) -> None:
    """What an upgrade to VERSION would do, in which order; without VERSION: where the cluster could go.

    Nothing is changed. Exit code 3: there is something to do; 0: nothing; 1: it is not possible.
    """
    from kfctl.exits import CHANGES
    from kfctl.upgrades import show_plan

    if run(show_plan(config_of(context), version or "", max_unavailable, output)):
        context.exit(CHANGES)


@command.command()
@click.argument("version")
@click.option("--max-unavailable", default="1", show_default=True, metavar="N|P%", help="Workers at once.")
@drain_options
@bundle_option
@timeout_option("4h")
@dry_run_option
@output_option
@click.pass_context
def apply(
    context: click.Context,
    version: str,
    max_unavailable: str,
    drain_timeout: float,
    late: str,
    local_data: bool,
    unmanaged_pods: bool,
    folder: Path | None,
    timeout: float,
    dry_run: bool,
    output: Output,
) -> None:
    """Bring the cluster to VERSION, one host after the other, while it is used. Typed again, it goes on."""
    from kfctl.upgrades import apply, show_plan
    from kubefort.model.operation import DrainSettings

    config = config_of(context)
    if dry_run:
        run(show_plan(config, version, max_unavailable, output))
        return
    drain = DrainSettings(drain_timeout, late, local_data, unmanaged_pods)  # type: ignore[arg-type]
    run(apply(config, version, max_unavailable, drain, folder, timeout, output))


@command.command()
@output_option
@click.pass_context
def status(context: click.Context, output: Output) -> None:
    """The newest upgrade: what was done, what it waits for and since when, what is next; the hosts' versions."""
    from kfctl.upgrades import show_status

    run(show_status(config_of(context), output))
