"""sd_notify(3): what systemd is told about us."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable


def notify(*lines: str) -> None:
    """Send lines such as READY=1 to systemd; without systemd nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        sender.send("\n".join(lines).encode())


async def watchdog(sentence: Callable[[], str]) -> None:
    """For ever: feed systemd's watchdog from the event loop, and say how we are."""
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0") or 0)
    pause = min(microseconds / 3e6, 5.0) if microseconds else 5.0
    while True:
        notify("WATCHDOG=1", f"STATUS={sentence().splitlines()[0]}")
        await asyncio.sleep(pause)
