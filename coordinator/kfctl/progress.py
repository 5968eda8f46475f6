"""Following an operation to its end, and showing it: lines, JSON, or (live.py) a table that changes in place."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Literal, Protocol

import click
import msgspec
from kubefort.errors import KubefortError, Unavailable
from kubefort.model.operation import OperationState
from kubefort.waiting import backoff, within

from kfctl.text import taken

Output = Literal["text", "json"]


class Report(Protocol):
    """Somebody who shows what happens: states of an operation, sentences beside it, and a result at the end."""

    def state(self, operation: OperationState) -> None: ...

    def note(self, text: str) -> None: ...

    def result(self, text: str, **values: object) -> None: ...

    def close(self) -> None: ...


class Lines:
    """One line for each change, for logs and pipes."""

    def __init__(self) -> None:
        self._shown: dict[int, tuple[str, str]] = {}

    def state(self, operation: OperationState) -> None:
        for number, phase in enumerate(operation.phases):
            now = (phase.status, phase.waiting_for if phase.status == "running" else "")
            before = self._shown.get(number, ("pending", ""))
            if now == before:
                continue
            self._shown[number] = now
            if phase.status == "running":
                word = f"waiting for {phase.waiting_for}" if phase.waiting_for else "started"
            else:
                word = f"{phase.status} ({taken(phase)})" if phase.started else phase.status
            self.note(f"{phase.title} ... {word}")

    def note(self, text: str) -> None:
        click.echo(f"{time.strftime('%H:%M:%S')} {text}")

    def result(self, text: str, **values: object) -> None:
        click.echo(text)

    def close(self) -> None:
        pass


class Json:
    """One JSON object for each change: {"type": "operation" | "note" | "result", ...}."""

    def state(self, operation: OperationState) -> None:
        self._write("operation", operation=msgspec.to_builtins(operation))

    def note(self, text: str) -> None:
        self._write("note", message=text)

    def result(self, text: str, **values: object) -> None:
        self._write("result", **values)

    def close(self) -> None:
        pass

    def _write(self, kind: str, **values: object) -> None:
        click.echo(json.dumps({"type": kind, **values}))


def reporter(output: Output) -> Report:
    """What suits `output` and the place where standard output goes."""
    if output == "json":
        return Json()
    if sys.stdout.isatty():
        from kfctl.live import Live

        return Live()
    return Lines()


async def follow(
    states: Callable[[], AsyncIterator[OperationState]],
    report: Report,
    timeout: float,
    beginning: str = "the coordinator to begin the operation",
) -> OperationState:
    """Show the states that `states()` yields until the operation ends; returns the last one.

    A stream that ends early or breaks is opened again. After `timeout` seconds raises KubefortError that says what was
    waited for, in the words of the operation, or in those of `beginning` while there was none.
    """
    last: OperationState | None = None

    async def watch() -> OperationState:
        nonlocal last
        pauses, silent = backoff(0.2, 5.0), False
        while True:
            try:
                async for state in states():
                    last, silent, pauses = state, False, backoff(0.2, 5.0)
                    report.state(state)
                    if state.status != "running":
                        return state
            except Unavailable as error:
                if not silent:
                    report.note(f"{error.message}; trying again")
                silent = True
            await asyncio.sleep(next(pauses))

    try:
        return await within(timeout, watch())
    except TimeoutError as error:
        raise late(last, timeout, beginning) from error


def late(last: OperationState | None, timeout: float, beginning: str) -> KubefortError:
    """The error for an operation that did not end in time: its title and what it waits for."""
    if last is None:
        return KubefortError(
            f"after {timeout:.0f} s still waiting for {beginning}", "see `kfctl status` where the operator's shell is"
        )
    running = next((phase for phase in last.phases if phase.status == "running"), None)
    what = f"{running.title}: {running.waiting_for and 'waiting for ' + running.waiting_for}" if running else "no phase"
    return KubefortError(
        f"{last.title} did not end within {timeout:.0f} s; {what.rstrip(': ')}",
        f"it goes on without kfctl: `kfctl operation watch {last.id}`",
    )


def demand(operation: OperationState) -> None:
    """Raise what stopped an operation that did not succeed."""
    if operation.status == "succeeded":
        return
    where = next((phase.title for phase in operation.phases if phase.status == "failed"), "")
    what = operation.error or f"the operation was {operation.status}"
    hints = [operation.hint] if operation.hint else []
    if operation.status == "failed" and f"resume {operation.id}" not in operation.hint:
        hints.append(f"then take it up again: `kfctl operation resume {operation.id}`")
    raise KubefortError(f"{operation.title}: " + (f"{where}: " if where else "") + what, "\n".join(hints))
