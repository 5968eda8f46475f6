"""kfctl completion: for shells."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """A script that completes kfctl's commands; for bash: source <(kfctl completion bash)."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    template = kind(context.find_root().command, {}, "kfctl", "_KFCTL_COMPLETE")
    click.echo(template.source_template % template.source_vars())
