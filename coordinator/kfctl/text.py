"""Small things for people's eyes: columns, ages, sizes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence

import click
import msgspec
from kubefort.model.operation import PhaseState


def columns(rows: Iterable[Sequence[str]], indent: str = "") -> str:
    """Rows as columns that are as wide as needed, two spaces apart."""
    table = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))] if table else []
    return "\n".join(indent + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table)


def duration(seconds: float) -> str:
    """Like 12 s, 3 min, 5 h, 2 days."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def taken(phase: PhaseState) -> str:
    """How long a phase has taken, until now where it runs; "" for one that has not begun."""
    if not phase.started:
        return ""
    return f"{max(0.0, (phase.ended or time.time()) - phase.started):.0f} s"


def clock(seconds: float) -> str:
    """Local date and time of seconds since 1970."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def size(count: int) -> str:
    """Bytes like 512 MiB."""
    number, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while number >= 1024 and len(units) > 1:
        number, units = number / 1024, units[1:]
    return f"{number:.0f} {units[0]}"


def echo_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2))
