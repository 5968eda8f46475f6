"""Exit codes, as docs/exit-codes.md lists them."""

from __future__ import annotations

from kubefort.errors import KubefortError, Unavailable

FAILED = 1
CHANGES = 3
UNREACHABLE = 4
INTERRUPTED = 130


def exit_code(error: KubefortError) -> int:
    """The exit code for an error that ends kfctl."""
    return UNREACHABLE if isinstance(error, Unavailable) else FAILED
