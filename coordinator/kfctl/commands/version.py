"""kfctl version."""

from __future__ import annotations

import click
from kfctl.options import config_of, output_option, run
from kfctl.progress import Output


@click.command()
@click.option("--client", "only_client", is_flag=True, help="Do not ask the coordinator.")
@output_option
@click.pass_context
def command(context: click.Context, only_client: bool, output: Output) -> None:
    """Versions of kfctl, and of coordinator and cluster where they can be asked."""
    from kfctl.text import columns, echo_json
    from kubefort import __version__

    rows = {"kfctl": __version__}
    if not only_client:
        from kfctl.client import ask_overview
        from kubefort.errors import KubefortError

        try:
            overview = run(ask_overview(config_of(context)))
        except KubefortError as error:
            click.echo(f"coordinator not asked: {error.message}", err=True)
        else:
            rows["coordinator"] = overview.version
            if overview.cluster is not None:
                rows["kubernetes"] = overview.cluster.kubernetes_version
    if output == "json":
        echo_json(rows)
    else:
        click.echo(columns(rows.items()))
