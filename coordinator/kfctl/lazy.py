"""Groups whose commands are modules that are imported only when they are called: `kfctl --help` reads none of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click
from kubefort.errors import KubefortError

from kfctl.examples import illustrate
from kfctl.exits import INTERRUPTED, exit_code


class Placeholder(click.Command):
    """Stands for a command in the list of commands: its name and its one line of help."""


class LazyGroup(click.Group):
    """A group of `commands`: name → (module:attribute, one line of help)."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return illustrate(cmd_name, command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        names = [CompletionItem(n, help=text) for n, (_, text) in self.lazy.items() if n.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)


_WATCH = "; what was begun goes on, watch it: `kfctl operation watch`"
_GOES_ON = {
    "init": f"{_WATCH}, or type `kfctl init` again",
    "join": "; the join goes on, type the same command again to watch it",
    "operation": _WATCH,
    "convert": _WATCH,
    "reset": _WATCH,
    "vip": _WATCH,
}


class Program(LazyGroup):
    """The outermost group: turns errors into a sentence, a hint and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KubefortError as error:
            click.echo(f"error: {error.message}", err=True)
            for line in error.hint.splitlines():
                click.echo(f"  {line}", err=True)
            ctx.exit(exit_code(error))
        except KeyboardInterrupt:
            click.echo(f"\ninterrupted{_GOES_ON.get(ctx.invoked_subcommand or '', '')}", err=True)
            ctx.exit(INTERRUPTED)
