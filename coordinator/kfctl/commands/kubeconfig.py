"""kfctl kubeconfig: access to the cluster for its administrator."""

from __future__ import annotations

from pathlib import Path

import click
from kfctl.options import config_of, run


@click.command()
@click.option("--output", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write it there, mode 0600.")
@click.pass_context
def command(context: click.Context, file: Path | None) -> None:
    """A kubeconfig for the cluster's administrator, with a key that is made here and goes nowhere else."""
    from kfctl.kubeconfigs import issue
    from kubefort import files

    content = run(issue(config_of(context)))
    if file is None:
        click.echo(content, nl=False)
        return
    if file.exists() and b"kind: Config" not in file.read_bytes():
        raise click.UsageError(f"{file} exists and is not a kubeconfig")
    files.write(file.absolute(), content, 0o600)
    click.echo(f"written to {file}; use it with: export KUBECONFIG={file.absolute()}", err=True)
