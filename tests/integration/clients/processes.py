"""Real servers on loopback for the length of a test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Process:
    """A program whose output goes to a file; `log` is what it said last."""

    def __init__(self, output: Path, *argv: str) -> None:
        self._output = output
        with output.open("ab") as file:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        return self._output.read_text(errors="replace")[-3000:]

    def kill(self) -> None:
        if self.running:
            self._process.kill()
        self._process.wait(timeout=30)


@contextlib.contextmanager
def program(output: Path, *argv: str) -> Iterator[Process]:
    """Run a program until the block ends."""
    process = Process(output, *argv)
    try:
        yield process
    finally:
        process.kill()


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses at the moment."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


async def eventually(
    attempt: Callable[[], Awaitable[T]],
    *processes: Process,
    seconds: float = 90.0,
    but: type[Exception] = AssertionError,
) -> T:
    """The result of `attempt` once it raises `but` no more; fails at once when a process has ended."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except (but, AssertionError) as error:
            ended = next((p for p in processes if not p.running), None)
            if ended is not None:
                raise AssertionError(f"a server has ended:\n{ended.log}") from error
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {error}") from error
        await asyncio.sleep(0.05)


def etcd_argv(program: Path, name: str, folder: Path, client: int, peer: int, cluster: str, state: str) -> list[str]:
    """Arguments of an etcd member; `folder` holds ca.crt, etcd.crt and etcd.key."""
    argv = [str(program), "--name", name, "--data-dir", str(folder / name)]
    argv += [f"--listen-client-urls=https://127.0.0.1:{client}", f"--advertise-client-urls=https://127.0.0.1:{client}"]
    argv += [f"--listen-peer-urls=https://127.0.0.1:{peer}"]
    argv += [f"--initial-advertise-peer-urls=https://127.0.0.1:{peer}"]
    argv += [f"--initial-cluster={cluster}", f"--initial-cluster-state={state}"]
    for prefix in ("", "peer-"):
        argv += [f"--{prefix}trusted-ca-file={folder}/ca.crt", f"--{prefix}client-cert-auth"]
        argv += [f"--{prefix}cert-file={folder}/etcd.crt", f"--{prefix}key-file={folder}/etcd.key"]
    return argv
