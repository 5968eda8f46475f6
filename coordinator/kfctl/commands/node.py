"""kfctl node: whether a host takes pods."""

from __future__ import annotations

import click
from kfctl.commands.upgrade import drain_options
from kfctl.options import config_of, dry_run_option, output_option, run, timeout_option
from kfctl.progress import Output
from kubefort.model.operation import DrainSettings, NodeArguments


@click.group()
def command() -> None:
    """A host's node: cordon, drain, uncordon."""


@command.command()
@click.argument("host")
@timeout_option("2m")
@dry_run_option
@output_option
@click.pass_context
def cordon(context: click.Context, host: str, timeout: float, dry_run: bool, output: Output) -> None:
    """Keep new pods from HOST; those that run there stay."""
    _do(context, "cordon", NodeArguments(host), timeout, dry_run, output)


@command.command()
@click.argument("host")
@timeout_option("2m")
@dry_run_option
@output_option
@click.pass_context
def uncordon(context: click.Context, host: str, timeout: float, dry_run: bool, output: Output) -> None:
    """Let pods onto HOST again."""
    _do(context, "uncordon", NodeArguments(host), timeout, dry_run, output)


@command.command()
@click.argument("host")
@drain_options
@timeout_option("2h")
@dry_run_option
@output_option
@click.pass_context
def drain(
    context: click.Context,
    host: str,
    drain_timeout: float,
    late: str,
    local_data: bool,
    unmanaged_pods: bool,
    timeout: float,
    dry_run: bool,
    output: Output,
) -> None:
    """Keep new pods from HOST and move those that run there, as their PodDisruptionBudgets allow.

    Pods of DaemonSets and static pods stay. HOST stays cordoned until `kfctl node uncordon`.
    """
    settings = DrainSettings(drain_timeout, late, local_data, unmanaged_pods)  # type: ignore[arg-type]
    _do(context, "drain", NodeArguments(host, settings), timeout, dry_run, output)


def _do(
    context: click.Context, kind: str, arguments: NodeArguments, timeout: float, dry_run: bool, output: Output
) -> None:
    from kfctl.watching import perform, rehearse

    config = config_of(context)
    run(rehearse(config, kind, arguments, output) if dry_run else perform(config, kind, arguments, timeout, output))
