"""Work that needs a big library is done by a short-lived child, so that the library does not stay in our memory.

Requests made at the same time share one child: the module, run as a program, reads a JSON list of requests and writes a
list of answers.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from kubefort.errors import KubefortError
from kubefort.run import CommandFailed, run

# Isolated (-I): neither the folder that an operator happens to be in nor his environment says what root imports.
_START = "import runpy, sys; module, *sys.path[:] = sys.argv[1:]; runpy.run_module(module, run_name='__main__')"


class Child:
    """`module` is what the child runs."""

    def __init__(self, module: str, timeout: float = 60.0) -> None:
        self._module, self._timeout = module, timeout
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []
        self._flush: asyncio.Task[None] | None = None

    async def ask(self, request: Any) -> Any:
        """The child's answer to a request; raises KubefortError with what the child said."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._flush is None:
            self._flush = asyncio.ensure_future(self._run())
        return await future

    async def _run(self) -> None:
        await asyncio.sleep(0.005)
        self._flush, waiting, self._waiting = None, self._waiting, []
        try:
            output = await run(
                sys.executable,
                "-IBS",
                "-c",
                _START,
                self._module,
                *(entry for entry in sys.path if entry),
                stdin=json.dumps([request for request, _ in waiting]).encode(),
                timeout=self._timeout,
            )
            answers = json.loads(output.stdout or "[]")
            if len(answers) != len(waiting):
                raise KubefortError(f"{self._module} answered {len(answers)} of {len(waiting)} requests")
        except CommandFailed as error:
            said = error.stderr.strip() or error.message
            _fail(waiting, KubefortError(said.splitlines()[-1] if said.startswith("Traceback") else said))
            return
        except BaseException as error:
            _fail(waiting, error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(waiting, answers, strict=True):
            if not future.done():
                future.set_result(answer)


def _fail(waiting: list[tuple[Any, asyncio.Future[Any]]], error: BaseException) -> None:
    for _, future in waiting:
        if not future.done():
            future.set_exception(error)
