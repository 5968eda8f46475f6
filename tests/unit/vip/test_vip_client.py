from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from kubefort.errors import Unavailable
from kubefort.vipfile import VipReply, VipRequest
from kubefort_agent.vip.client import ask


async def test_a_request_and_its_reply(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = msgspec.json.decode(await reader.readline(), type=VipRequest)
        writer.write(msgspec.json.encode(VipReply(ok=True, message=f"{request.command} {request.to}")) + b"\n")
        writer.close()

    server = await asyncio.start_unix_server(answer, str(tmp_path / "vip.sock"))
    try:
        reply = await ask(VipRequest(command="move", to="10.0.0.2"), tmp_path / "vip.sock")
    finally:
        server.close()
    assert reply == VipReply(ok=True, message="move 10.0.0.2")


async def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="kubefort-vip does not answer"):
        await ask(VipRequest(command="status"), tmp_path / "vip.sock")


async def test_somebody_who_says_nothing(tmp_path: Path) -> None:
    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_unix_server(hang, str(tmp_path / "vip.sock"))
    try:
        with pytest.raises(Unavailable):
            await ask(VipRequest(command="status"), tmp_path / "vip.sock")
    finally:
        server.close()
