"""Announcements of a taken address: gratuitous ARP (RFC 5227), unsolicited neighbour advertisement (RFC 4861 7.2.6)."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Sequence

from kubefort_agent.vip import sieve
from kubefort_agent.vip.codec import checksum, text

_ETH_ARP, _ETH_IPV6 = 0x0806, 0x86DD
_FIRST_REPEAT = 0.02
_BROADCAST = b"\xff" * 6
_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ICMPV6, _NEIGHBOUR_SOLICITATION, _NEIGHBOUR_ADVERTISEMENT, _OVERRIDE = 58, 135, 136, 0x20000000
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")


def gratuitous(mac: bytes, address: bytes) -> list[bytes]:
    """The Ethernet frames that announce `address` (packed) at `mac`: request and reply form for IPv4, one for IPv6."""
    if len(address) == 16:
        return [_advertisement(mac, address)]
    return [arp(1, mac, address, bytes(6), address), arp(2, mac, address, _BROADCAST, address)]


def arp(operation: int, mac: bytes, sender: bytes, target_mac: bytes, target: bytes) -> bytes:
    """A broadcast ARP frame; operation 1 is a request, 2 a reply."""
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + sender + target_mac + target
    return _BROADCAST + mac + _ETH_ARP.to_bytes(2, "big") + body


def _advertisement(mac: bytes, address: bytes) -> bytes:
    body = struct.pack("!BBHI", _NEIGHBOUR_ADVERTISEMENT, 0, 0, _OVERRIDE) + address + b"\x02\x01" + mac
    return _icmpv6(mac, address, _ALL_NODES_MAC, _ALL_NODES, body)


def solicitation(mac: bytes, address: bytes) -> bytes:
    """The frame of duplicate address detection (RFC 4862 5.4.2): who has this IPv6 address (packed)?"""
    body = struct.pack("!BBHI", _NEIGHBOUR_SOLICITATION, 0, 0, 0) + address
    return _icmpv6(mac, bytes(16), b"\x33\x33\xff" + address[13:], _SOLICITED_NODE + address[13:], body)


def _icmpv6(mac: bytes, source: bytes, target_mac: bytes, target: bytes, body: bytes) -> bytes:
    pseudo = source + target + struct.pack("!II", len(body), _ICMPV6)
    body = body[:2] + checksum(pseudo + body).to_bytes(2, "big") + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + source + target
    return target_mac + mac + _ETH_IPV6.to_bytes(2, "big") + header + body


class Announcer:
    """Sends announcements on one interface: at once, then `repeat` more, then every `refresh_s` while it is held."""

    def __init__(self, interface: str, mac: bytes, repeat: int, interval: float, refresh: float) -> None:
        self._mac, self._repeat, self._interval, self._refresh = mac, repeat, interval, refresh
        self._left = 0
        self.deadline: float | None = None
        self._frames: list[bytes] = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setblocking(False)
        self._socket.bind((interface, 0))

    def close(self) -> None:
        self._socket.close()

    def start(self, now: float, addresses: list[bytes]) -> bool:
        """Announce now and repeat; False when a frame could not be sent."""
        self._frames = [frame for address in addresses for frame in gratuitous(self._mac, address)]
        self._left = self._repeat
        return self._send(now)

    def stop(self) -> None:
        self.deadline = None

    def timer(self, now: float) -> None:
        if self.deadline is not None and now >= self.deadline:
            self._send(now)

    def _send(self, now: float) -> bool:
        sent = True
        for frame in self._frames if len(self._mac) == 6 else []:
            try:
                self._socket.send(frame)
            except OSError:
                sent = False
        self._left -= 1
        pause = self._interval if self._left >= 0 else self._refresh
        if self._left == self._repeat - 1:
            # Sooner the first time: the former holder may have answered for it in the same moment.
            pause = min(pause, _FIRST_REPEAT)
        self.deadline = now + pause if pause else None
        return sent


class Detector:
    """Does anybody have one of these addresses already (all IPv4: RFC 5227, or all IPv6: RFC 4862)?

    `fileno` is readable when somebody says something about addresses.
    """

    def __init__(self, interface: str, mac: bytes, addresses: Sequence[bytes]) -> None:
        self._mac, self._addresses = mac, addresses
        kind = _ETH_IPV6 if addresses and len(addresses[0]) == 16 else _ETH_ARP
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.setblocking(False)
        if kind == _ETH_IPV6:
            sieve.attach(self._socket, sieve.icmpv6(_NEIGHBOUR_ADVERTISEMENT))
        self._socket.bind((interface, kind))
        self.found = ""

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def ask(self) -> None:
        """Ask again, and forget what was found."""
        self.found = ""
        for address in self._addresses:
            with contextlib.suppress(OSError):
                probe = arp(1, self._mac, bytes(4), bytes(6), address) if len(address) == 4 else None
                self._socket.send(probe or solicitation(self._mac, address))

    def read(self) -> None:
        """Take in what has arrived, at most so much that the loop goes on."""
        for _ in range(64):
            try:
                claimed = claim_in(self._socket.recv(256))
            except OSError:
                return
            if claimed and claimed[0] != self._mac and claimed[1] in self._addresses:
                self.found = f"{text(claimed[1])} is in use by {claimed[0].hex(':')}"


def claim_in(frame: bytes) -> tuple[bytes, bytes] | None:
    """(MAC, address) that an ARP or neighbour advertisement frame says belong together; None for anything else."""
    if frame[12:14] == b"\x86\xdd" and len(frame) >= 78 and (frame[20], frame[54]) == (58, _NEIGHBOUR_ADVERTISEMENT):
        return frame[6:12], frame[62:78]
    if len(frame) < 42 or frame[12:20] != b"\x08\x06\x00\x01\x08\x00\x06\x04":
        return None
    mac, address = frame[22:28], frame[28:32]
    return (mac, address) if address != bytes(4) else None
