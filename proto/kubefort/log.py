"""Logs to standard error: one line an entry with journald's priority prefix under systemd, readable text otherwise."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

# structlog takes rich along where it finds it: 5 MB for tracebacks in colour, which no journal shows.
_hidden = "rich" not in sys.modules
if _hidden:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

if _hidden:
    del sys.modules["rich"]

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def _journald(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    level = str(event.pop("level", "info"))
    message = str(event.pop("event", ""))
    fields = " ".join(f"{key}={value!r}" for key, value in event.items())
    text = f"{message} {fields}".strip().replace("\n", "\\n")
    return f"<{_PRIORITY.get(level, 6)}>{text}"


def setup(level: str = "info") -> None:
    """Configure structlog once, at a program's start."""
    under_systemd = "JOURNAL_STREAM" in os.environ
    processors: list[Any] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level]
    if under_systemd:
        processors.append(_journald)
    else:
        processors += [structlog.processors.TimeStamper(fmt="iso"), structlog.dev.ConsoleRenderer(colors=False)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def get(name: str) -> Any:
    """A logger whose entries carry `part=name`."""
    return structlog.get_logger(part=name)
