"""kfctl reset: a host leaves."""

from __future__ import annotations

import click
from kfctl.options import config_of, dry_run_option, output_option, run, timeout_option
from kfctl.progress import Output

LOST = "its containers, its etcd data and what pods keep on its disk are lost"


@click.command()
@click.argument("host", required=False)
@click.option("--local", is_flag=True, help="Clean this host without asking a coordinator, for one that is gone.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--force", is_flag=True, help="Also where the host does not answer, or where etcd could then lose no other member."
)
@timeout_option("20m")
@dry_run_option
@output_option
@click.pass_context
def command(
    context: click.Context,
    host: str | None,
    local: bool,
    yes: bool,
    force: bool,
    timeout: float,
    dry_run: bool,
    output: Output,
) -> None:
    """Remove HOST from the cluster and everything of ours from HOST; it can join again afterwards."""
    if (host is None) is not local:
        raise click.UsageError("name a HOST, or give --local for this one")
    if local:
        _local(yes, dry_run, timeout)
        return
    from kfctl.watching import perform, rehearse
    from kubefort.model.operation import ResetArguments

    config, arguments = config_of(context), ResetArguments(host=str(host), force=force)
    if dry_run:
        run(rehearse(config, "reset", arguments, output))
        return
    if not yes:
        click.confirm(f"Remove {host} from the cluster? {LOST.capitalize()}.", abort=True)
    run(perform(config, "reset", arguments, timeout, output))


def _local(yes: bool, dry_run: bool, timeout: float) -> None:
    from kfctl.cleaning import clean

    if dry_run:
        click.echo("would: stop everything of Kubefort on this host, and remove what its agent made")
        return
    if not yes:
        click.confirm(f"Clean this host? {LOST.capitalize()}. Its cluster is not told.", abort=True)
    run(clean(timeout))
