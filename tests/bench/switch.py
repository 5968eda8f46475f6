"""The switch of a lab from inside this process: adverts are heard and links cut at once, without a program's start."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tests.netns.hosts import Host

_CLONE_NEWNET = 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
_VRRP = 112

T = TypeVar("T")


class Link:
    """The cable of a host, at the switch's side."""

    def __init__(self, switch: str, host: Host) -> None:
        self._port = host.port.encode()
        self._socket = inside(switch, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

    def set(self, *, plugged: bool) -> None:
        request = struct.pack("16sh14x", self._port, 0)
        flags = struct.unpack_from("16sh", fcntl.ioctl(self._socket, _GET_FLAGS, request))[1]
        flags = flags | _UP if plugged else flags & ~_UP
        fcntl.ioctl(self._socket, _SET_FLAGS, struct.pack("16sh14x", self._port, flags))

    def close(self) -> None:
        self._socket.close()


class Adverts:
    """Hears the VRRP adverts that reach a host by multicast."""

    def __init__(self, host: Host) -> None:
        self._socket = inside(host.namespace, lambda: _listener(host.address))

    def next(self, sender: str, seconds: float) -> float:
        """The moment (monotonic) of the next advert from an address; now where none comes."""
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(2048):
                pass
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left)[0]:
                packet = self._socket.recv(2048)
                if packet[12:16] == socket.inet_aton(sender):
                    return time.monotonic()
        return time.monotonic()

    def close(self) -> None:
        self._socket.close()


def _listener(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_RAW, _VRRP)
    listener.setblocking(False)
    member = socket.inet_aton("224.0.0.18") + socket.inet_aton(address)
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    return listener


def inside(namespace: str, make: Callable[[], T]) -> T:
    """What `make` makes in a network namespace: a socket stays there. In a thread, whose namespace alone changes."""
    made: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"setns {namespace}")
            finally:
                os.close(descriptor)
            made.append(make())
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
