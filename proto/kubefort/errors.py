"""Errors that a person sees.

KubefortError            what was found, and (hint) what to type next
├── InvalidInput         a file, flag or message is not what it should be
├── CommandFailed        a program ended with another exit code than 0 (run.py)
├── Refused              the caller may not do this, or not now
└── Unavailable          somebody we need does not answer: trying again makes sense
"""

from __future__ import annotations


class KubefortError(Exception):
    """An error with one sentence about what was found, and a hint: what the reader can do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InvalidInput(KubefortError):
    """A file, a flag or a message is not what it should be."""


class Refused(KubefortError):
    """The caller may not do this, or not now."""


class Unavailable(KubefortError):
    """Somebody we need does not answer; trying again makes sense."""
