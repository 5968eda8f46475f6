"""Asking kubefort-vip, from the agent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from kubefort.errors import Unavailable
from kubefort.vipfile import SOCKET_PATH, VipReply, VipRequest
from kubefort.waiting import within


async def ask(request: VipRequest, path: Path = SOCKET_PATH, timeout: float = 10.0) -> VipReply:
    """One request, one reply; `timeout` in seconds. Raises Unavailable when there is no answer."""
    try:
        return await within(timeout, _ask(request, path))
    except (OSError, TimeoutError, msgspec.DecodeError) as error:
        raise Unavailable(
            f"kubefort-vip does not answer on {path}: {error or 'no answer in time'}",
            "`systemctl status kubefort-vip` and `journalctl -u kubefort-vip` say why.",
        ) from error


async def _ask(request: VipRequest, path: Path) -> VipReply:
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(msgspec.json.encode(request) + b"\n")
        await writer.drain()
        return msgspec.json.decode(await reader.read(), type=VipReply)
    finally:
        writer.close()
