"""What kubefort-vip says of itself, over its socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from kubefort.vipfile import SOCKET_PATH
from kubefort.waiting import within


async def status(socket: Path = SOCKET_PATH) -> dict[str, object]:
    """Its status document; empty while it does not answer."""
    try:
        answer = json.loads(await within(1.0, _ask(socket)))
    except (OSError, ValueError, TimeoutError):
        return {}
    found = answer.get("status") if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else {}


async def _ask(socket: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(b'{"command": "status"}\n')
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()
