"""Work that needs a big library is done by a short-lived child, so that the library does not stay in our memory.

Requests made at the same time share one child: `python -m MODULE` reads a JSON list of requests and writes a list of
answers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from kubefort.run import run


class Child:
    """`module` is what the child runs."""

    def __init__(self, module: str, timeout: float = 60.0) -> None:
        self._module, self._timeout = module, timeout
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []
        self._flush: asyncio.Task[None] | None = None

    async def ask(self, request: Any) -> Any:
        """The child's answer to a request; raises CommandFailed with what the child said."""
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
                "-BS",  # all that is to be found is named by PYTHONPATH
                "-m",
                self._module,
                stdin=json.dumps([request for request, _ in waiting]).encode(),
                env={"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
                timeout=self._timeout,
            )
            answers = json.loads(output.stdout or "[]")
        except BaseException as error:
            for _, future in waiting:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(waiting, answers, strict=True):
            if not future.done():
                future.set_result(answer)
