"""kfctl config: cluster.yaml."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def command() -> None:
    """cluster.yaml: defaults, check, schema."""


@command.command("print-defaults")
def print_defaults() -> None:
    """A complete cluster.yaml with every default and what it means."""
    from kubefort.clusterdefaults import DEFAULTS

    click.echo(DEFAULTS, nl=False)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def validate(file: Path) -> None:
    """Check FILE: form, names, addresses, subnets. Every mistake with line and column."""
    from kubefort.clusterfile import load

    _, warnings = load(file)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{file} is valid")


@command.command()
def schema() -> None:
    """JSON Schema of cluster.yaml, for editors."""
    from kubefort.clusterfile import schema

    click.echo(schema(), nl=False)
