"""One thing to wait for: something changed."""

from __future__ import annotations

import asyncio

from kubefort.waiting import within


class Changed:
    """Counts changes; whoever remembers the count before looking misses none."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake everybody who waits."""
        self.count += 1
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seen: int, timeout: float | None = None) -> bool:
        """Wait until the count is beyond `seen`; False when `timeout` seconds passed before."""
        while self.count == seen:
            event = self._event
            if timeout is None:
                await event.wait()
            else:
                try:
                    await within(timeout, event.wait())
                except TimeoutError:
                    return False
        return True
