"""Announcements of a taken address: gratuitous ARP (RFC 5227), unsolicited neighbour advertisement (RFC 4861 7.2.6)."""

from __future__ import annotations

import socket
import struct

from kubefort_agent.vip.codec import checksum

_ETH_ARP, _ETH_IPV6 = 0x0806, 0x86DD
_BROADCAST = b"\xff" * 6
_ALL_NODES = bytes.fromhex("ff020000000000000000000000000001")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ICMPV6, _NEIGHBOUR_ADVERTISEMENT, _OVERRIDE = 58, 136, 0x20000000


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
    pseudo = address + _ALL_NODES + struct.pack("!II", len(body), _ICMPV6)
    body = body[:2] + checksum(pseudo + body).to_bytes(2, "big") + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), _ICMPV6, 255) + address + _ALL_NODES
    return _ALL_NODES_MAC + mac + _ETH_IPV6.to_bytes(2, "big") + header + body


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
        self.deadline = now + pause if pause else None
        return sent
