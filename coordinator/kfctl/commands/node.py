"""kfctl node: whether a host takes pods."""

from __future__ import annotations

import click
from kfctl.commands.upgrade import drain_options
from kfctl.options import config_of, output_option, run, timeout_option
from kfctl.progress import Output
from kubefort.model.operation import DrainSettings, NodeArguments


@click.group()
def command() -> None:
    """A host's node: cordon, drain, uncordon."""


@command.command()
@click.argument("host")
@timeout_option("2m")
@output_option
@click.pass_context
def cordon(context: click.Context, host: str, timeout: float, output: Output) -> None:
    """Keep new pods from HOST; those that run there stay."""
    from kfctl.watching import perform

    run(perform(config_of(context), "cordon", NodeArguments(host), timeout, output))


@command.command()
@click.argument("host")
@timeout_option("2m")
@output_option
@click.pass_context
def uncordon(context: click.Context, host: str, timeout: float, output: Output) -> None:
    """Let pods onto HOST again."""
    from kfctl.watching import perform

    run(perform(config_of(context), "uncordon", NodeArguments(host), timeout, output))


@command.command()
@click.argument("host")
@drain_options
@timeout_option("2h")
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
    output: Output,
) -> None:
    """Keep new pods from HOST and move those that run there, as their PodDisruptionBudgets allow.

    Pods of DaemonSets and static pods stay. HOST stays cordoned until `kfctl node uncordon`.
    """
    from kfctl.watching import perform

    settings = DrainSettings(drain_timeout, late, local_data, unmanaged_pods)  # type: ignore[arg-type]
    run(perform(config_of(context), "drain", NodeArguments(host, settings), timeout, output))
