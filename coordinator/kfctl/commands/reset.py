"""kfctl reset: a host leaves."""

from __future__ import annotations

import click
from kfctl.options import config_of, dry_run_option, output_option, run, timeout_option
from kfctl.progress import Output


@click.command()
@click.argument("host")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also where the host does not answer, or where etcd would lose its quorum.")
@timeout_option("20m")
@dry_run_option
@output_option
@click.pass_context
def command(
    context: click.Context, host: str, yes: bool, force: bool, timeout: float, dry_run: bool, output: Output
) -> None:
    """Remove HOST from the cluster and everything of ours from HOST; it can join again afterwards."""
    from kfctl.watching import perform, rehearse
    from kubefort.model.operation import ResetArguments

    config, arguments = config_of(context), ResetArguments(host=host, force=force)
    if dry_run:
        operation = run(rehearse(config, "reset", arguments))
        click.echo("\n  ".join(["would:", *(phase.title for phase in operation.phases)]))
        return
    if not yes:
        lost = "its containers, its etcd data and what pods keep on its disk are lost"
        click.confirm(f"Remove {host} from the cluster? {lost}.", abort=True)
    run(perform(config, "reset", arguments, timeout, output))
