"""The one place that runs other programs. No shell, always a deadline, always a typed error."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubefort.errors import KubefortError
from kubefort.waiting import within


@dataclass(frozen=True)
class Output:
    """What a program left: its exit code (negative: the signal), and both streams, decoded with replacement."""

    code: int
    stdout: str
    stderr: str


class CommandFailed(KubefortError):
    """A program ended with another exit code than 0, or did not end in time (code is None then)."""

    def __init__(self, argv: Sequence[str], code: int | None, stdout: str, stderr: str) -> None:
        self.argv, self.code, self.stdout, self.stderr = tuple(argv), code, stdout, stderr
        how = "did not end in time" if code is None else f"ended with exit code {code}"
        said = (stderr.strip() or stdout.strip())[-2000:]
        super().__init__(f"`{' '.join(argv)}` {how}" + (f": {said}" if said else ""))


async def run(
    *argv: str,
    timeout: float = 60.0,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> Output:
    """Run a program to its end; `timeout` in seconds, after which its whole process group is killed.

    Raises CommandFailed when it ends with another code than 0 (unless check is False), when it does not end in time,
    or (code 127) when there is no such program.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise CommandFailed(argv, 127, "", str(error)) from error
    try:
        out, err = await within(timeout, process.communicate(stdin))
    except TimeoutError as error:
        raise CommandFailed(argv, None, "", "") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    code = process.returncode if process.returncode is not None else -1
    output = Output(code, out.decode(errors="replace"), err.decode(errors="replace"))
    if check and code != 0:
        raise CommandFailed(argv, code, output.stdout, output.stderr)
    return output
