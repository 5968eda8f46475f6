"""kfctl's manual page and shell completions, made from its click commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


def completion(program: click.Command, name: str, shell: str) -> str:
    """The script a shell sources; what it completes, it asks the program itself."""
    complete = SHELLS[shell](program, {}, name, f"_{name.upper()}_COMPLETE")
    return complete.source_template % complete.source_vars()


def escaped(text: str) -> str:
    """Text as roff prints it: backslashes, minus signs, and no line that looks like a request."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)


def paragraphs(text: str) -> str:
    """A docstring's paragraphs; what follows click's \\b mark keeps its line breaks."""
    blocks = []
    for block in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = block.partition("\n")
        blocks.append(f".nf\n{escaped(rest)}\n.fi" if first.strip() == "\b" else escaped(block))
    return "\n.PP\n".join(block for block in blocks if block.strip())


def records(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1] and "--help" not in parameter.opts:
            yield record


def walk(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """The command and all below it, in the order in which they are listed; hidden ones left out."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from walk(below, click.Context(below, info_name=name, parent=context))


def section(command: click.Command, context: click.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f".SS {context.command_path}", f".B {escaped(context.command_path)} {escaped(usage)}", ".PP"]
    parts.append(paragraphs(command.help or command.short_help or ""))
    parts += [f".TP\n.B {escaped(names)}\n{escaped(text)}" for names, text in records(command, context)]
    if command.epilog:
        parts.append(f".PP\n{paragraphs(command.epilog)}")
    return "\n".join(part for part in parts if part)


def manual(program: click.Command, name: str, version: str) -> str:
    """The manual page of a click program: one section for each command that does something."""
    context = click.Context(program, info_name=name)
    summary = (program.get_short_help_str(200) or name).rstrip(".")
    head = [
        f'.TH {name.upper()} 1 "" "kubefort {version}" "Kubefort"',
        f".SH NAME\n{name} \\- {escaped(summary)}",
        f".SH SYNOPSIS\n.B {name}\n[options] command ...",
        f".SH DESCRIPTION\n{paragraphs(program.help or '')}",
    ]
    options = [f".TP\n.B {escaped(names)}\n{escaped(text)}" for names, text in records(program, context)]
    commands = [section(*each) for each in walk(program, context) if not isinstance(each[0], click.Group)]
    tail = ".SH SEE ALSO\n.BR kubefort\\-agent (8),\n.BR kubefort\\-coordinator (8)"
    parts = [*head, *([".SH OPTIONS", *options] if options else []), ".SH COMMANDS", *commands, tail]
    return "\n".join(parts) + "\n"
