"""kfctl convert: components change how they run."""

from __future__ import annotations

import click
from kfctl.options import Names, config_of, dry_run_option, output_option, run, timeout_option
from kfctl.progress import Output
from kubefort.kubeadm.names import RUN_MODES


@click.command()
@click.option(
    "--component",
    "components",
    type=Names(),
    required=True,
    metavar="NAME,...",
    help="etcd, kube-apiserver, kube-controller-manager, kube-scheduler, or all.",
)
@click.option("--to", type=click.Choice(RUN_MODES), required=True, help="How they shall run.")
@click.option(
    "--host", "hosts", multiple=True, help="Only on this host; may be repeated. Without: on all, and later ones."
)
@timeout_option("60m")
@dry_run_option
@output_option
@click.pass_context
def command(
    context: click.Context,
    components: tuple[str, ...],
    to: str,
    hosts: tuple[str, ...],
    timeout: float,
    dry_run: bool,
    output: Output,
) -> None:
    """Change how components run, one control-plane host after the other, while the cluster works on.

    What was converted can be converted back the same way. etcd keeps its data.
    """
    from kfctl.converting import already, arguments_for
    from kfctl.watching import perform, rehearse

    config = config_of(context)
    arguments, modes = run(arguments_for(config, components, to, hosts))
    if already(arguments, modes):
        what, where = ", ".join(arguments.components), ", ".join(arguments.hosts)
        click.echo(f"Run mode of {what} on {where} is {to} already: nothing is to be changed.")
        return
    if dry_run:
        run(rehearse(config, "convert", arguments, output))
        return
    run(perform(config, "convert", arguments, timeout, output))
