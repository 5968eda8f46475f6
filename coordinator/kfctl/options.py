"""Options that several commands have, and how a command runs its asynchronous part."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


if TYPE_CHECKING:  # generic from click 8.4 on, and only for type checkers
    Parameter = click.ParamType[Any]
else:
    Parameter = click.ParamType


class Duration(Parameter):
    """Seconds, written like 90s, 30m, 1h30m or 2d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        if not re.fullmatch(r"(\d{1,9}[smhd])+", str(value)) or not re.search("[1-9]", str(value)):
            self.fail(f'"{value}" is not a duration like 90s, 30m, 24h or 7d', param, ctx)
        return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", str(value)))


DURATION = Duration()


class Names(Parameter):
    """Names separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in str(value).split(",") if part.strip())


def output_option(function: F) -> F:
    """-o text|json"""
    choice = click.Choice(["text", "json"])
    text = "For people, or for programs."
    return click.option("-o", "--output", type=choice, default="text", show_default=True, help=text)(function)


def dry_run_option(function: F) -> F:
    """--dry-run"""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")(function)


def timeout_option(default: str) -> Callable[[F], F]:
    """--timeout DURATION"""
    text = "How long to wait; what was begun goes on after that."
    return click.option("--timeout", type=DURATION, default=default, show_default=True, help=text)


def ignore_option(function: F) -> F:
    """--ignore-preflight-errors NAME,..."""
    text = 'Preflight checks whose failures are warnings: names separated by commas, or "all".'
    return click.option(
        "--ignore-preflight-errors", "ignored", type=Names(), default="", metavar="NAME,...", help=text
    )(function)


def config_of(context: click.Context) -> Path:
    """Where kfctl.yaml is."""
    path = context.find_root().obj
    assert isinstance(path, Path)
    return path


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the asynchronous part of a command."""
    return asyncio.run(work)
