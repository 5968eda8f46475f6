"""Files of ours that several resources share, a line each."""

from __future__ import annotations

from pathlib import Path

HEADER = "# Written by kubefort-agent."


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def has_line(path: Path, line: str) -> bool:
    return line in _lines(path)


def with_line(path: Path, line: str, start: str) -> str:
    """The file's text with `line` in it, in the place of any that begins with `start`."""
    others = [old for old in _lines(path) if old and old != HEADER and old != line and not old.startswith(start + " ")]
    return "\n".join([HEADER, *sorted([*others, line])]) + "\n"
