"""An operation as a table that changes in place, on a terminal."""

from __future__ import annotations

import time

import rich.live
from kubefort.model.operation import OperationState
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from kfctl.text import taken

_SIGNS = {"pending": ("·", "dim"), "running": ("▶", "cyan"), "done": ("✔", "green"), "failed": ("✘", "red")}


class Live:
    """Draws the newest state four times a second, so that running times move."""

    def __init__(self) -> None:
        self._console = Console()
        self._operation: OperationState | None = None
        self._live: rich.live.Live | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        operation = self._operation
        if operation is None:
            return
        table = Table(title=f"{operation.title} ({operation.id})", title_justify="left", box=None, expand=False)
        for heading in ("", "phase", "time", ""):
            table.add_column(heading, overflow="fold")
        for phase in operation.phases:
            sign, style = _SIGNS[phase.status]
            waiting = f"waiting for {phase.waiting_for}" if phase.status == "running" and phase.waiting_for else ""
            table.add_row(Text(sign, style), Text(phase.title), taken(phase), Text(waiting, "yellow"))
        yield table

    def state(self, operation: OperationState) -> None:
        self._operation = operation
        if self._live is None:
            self._live = rich.live.Live(self, console=self._console, refresh_per_second=4)
            self._live.start()
        self._live.refresh()
        if operation.status != "running":
            self.close()

    def note(self, text: str) -> None:
        self._console.print(Text(f"{time.strftime('%H:%M:%S')} {text}"))

    def result(self, text: str, **values: object) -> None:
        self.close()
        self._console.print(Text(text), soft_wrap=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
