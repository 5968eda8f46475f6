"""Raw sockets for VRRP (IP protocol 112): multicast or unicast, IPv4 or IPv6, TTL 255 both ways."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import msgspec

from kubefort_agent.vip import sieve
from kubefort_agent.vip.codec import PROTOCOL, pack

GROUP_IPV4 = pack("224.0.0.18")
GROUP_IPV6 = pack("ff02::12")
_SO_MEMINFO = 55
_SO_BINDTODEVICE = 25
_INTERNETWORK_CONTROL = 0xC0
_IPV6_CHECKSUM = 7
_CHECKSUM_AT = 6


class Packet(msgspec.Struct, frozen=True):
    """One received packet without its IP header; addresses are packed. `sum_checked`: the kernel did it (IPv6)."""

    source: bytes
    destination: bytes
    ttl: int
    payload: bytes
    sum_checked: bool


class Wire:
    """The sockets of one virtual router (None: of all) on one interface. Raises OSError when the host refuses them."""

    def __init__(self, interface: str, index: int, source: bytes, vrid: int | None = None) -> None:
        self._ipv6 = len(source) == 16
        self._index = index
        self._overflowed = 0
        self.group = GROUP_IPV6 if self._ipv6 else GROUP_IPV4
        family = socket.AF_INET6 if self._ipv6 else socket.AF_INET
        self._in = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, PROTOCOL)
        self._out = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, PROTOCOL)
        # What cannot be of our group, to be counted at leisure; with IPv6 it comes with the rest.
        self._others = socket.socket(family, socket.SOCK_RAW | socket.SOCK_CLOEXEC, PROTOCOL)
        try:
            for end in (self._in, self._out, self._others):
                end.setblocking(False)
                end.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode() + b"\0")
            self._in.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            # The sending socket receives nothing, or its buffer would fill up.
            self._out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
            self._out.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 6)
            if self._ipv6 or vrid is None:
                self._others.close()
            else:
                sieve.attach(self._in, sieve.program(vrid, others=False))
                sieve.attach(self._others, sieve.program(vrid, others=True))
            if self._ipv6:
                self._set_up_ipv6()
                self._out.bind((socket.inet_ntop(family, source), 0, 0, index))
            else:
                self._set_up_ipv4()
                self._out.bind((socket.inet_ntop(family, source), 0))
        except OSError:
            self.close()
            raise

    def _set_up_ipv4(self) -> None:
        member = struct.pack("=4s4si", GROUP_IPV4, bytes(4), self._index)
        self._in.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        self._out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
        self._out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        self._out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        self._out.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        self._out.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _INTERNETWORK_CONTROL)

    def _set_up_ipv6(self) -> None:
        member = GROUP_IPV6 + struct.pack("=i", self._index)
        self._in.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
        self._in.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        self._in.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        for end in (self._in, self._out):
            end.setsockopt(socket.IPPROTO_IPV6, _IPV6_CHECKSUM, _CHECKSUM_AT)
        self._out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self._index)
        self._out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        self._out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        self._out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
        self._out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _INTERNETWORK_CONTROL)

    def fileno(self) -> int:
        return self._in.fileno()

    def close(self) -> None:
        self._in.close()
        self._out.close()
        self._others.close()

    def others(self, most: int) -> Iterator[Packet]:
        """Some of what cannot be of our group: what its small buffer had room for."""
        try:
            for _ in range(most if self._others.fileno() >= 0 else 0):
                packet = _parse_ipv4(self._others.recv(2048))
                if packet:
                    yield packet
        except BlockingIOError:
            return

    def overflowed(self) -> int:
        """How many packets found no room, since the last call."""
        ends = [end for end in (self._in, self._others) if end.fileno() >= 0]
        total = sum(struct.unpack_from("=I", end.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36), 32)[0] for end in ends)
        self._overflowed, before = total, self._overflowed
        return int(total - before) % (1 << 32)

    def send(self, payload: bytes, destination: bytes) -> None:
        """Raises OSError (interface down, address gone, buffer full)."""
        if self._ipv6:
            self._out.sendto(payload, (socket.inet_ntop(socket.AF_INET6, destination), 0, 0, self._index))
        else:
            self._out.sendto(payload, (socket.inet_ntop(socket.AF_INET, destination), 0))

    def receive(self, most: int) -> Iterator[Packet]:
        """What has arrived, at most so many packets, so that a flood cannot keep timers from running."""
        for _ in range(most):
            try:
                packet = self._receive_ipv6() if self._ipv6 else _parse_ipv4(self._in.recv(2048))
            except BlockingIOError:
                return
            if packet:
                yield packet

    def _receive_ipv6(self) -> Packet | None:
        payload, ancillary, _, sender = self._in.recvmsg(2048, 128)
        ttl, destination = 0, b""
        for level, kind, data in ancillary:
            if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_HOPLIMIT:
                ttl = struct.unpack_from("=i", data)[0]
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                destination = data[:16]
        return Packet(pack(sender[0].partition("%")[0]), destination, ttl, payload, True)


def _parse_ipv4(data: bytes) -> Packet | None:
    size = (data[0] & 15) * 4 if data else 0
    if size < 20 or len(data) < size:
        return None
    return Packet(data[12:16], data[16:20], data[8], data[size:], False)
