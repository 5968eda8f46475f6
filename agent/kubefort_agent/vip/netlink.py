"""The kernel's side of the address: rtnetlink by hand, because pyroute2 would double this process' memory.

Addresses get a valid lifetime, so that the kernel takes them away when nobody renews them (rtnetlink(7)).
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import time

import msgspec
from kubefort.errors import Unavailable

from kubefort_agent.vip import sieve

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_IFINFO = struct.Struct("=BxHiII")
_IFADDR = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR = 20, 21
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
_ERROR = 2
_REQUEST, _ACK, _REPLACE, _CREATE = 1, 4, 0x100, 0x400
_GROUPS = 0x1 | 0x10 | 0x100  # link, IPv4 addresses, IPv6 addresses
_IFLA_ADDRESS, _IFLA_IFNAME = 1, 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS = 1, 2, 6, 8
_IFA_F_NODAD = 0x02
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_RTN_LOCAL = 2
_IFF_UP, _IFF_RUNNING = 0x1, 0x40


class Link(msgspec.Struct, frozen=True):
    """A network interface; `up` means administratively up and with a carrier. `mac` may be empty (tunnels)."""

    index: int
    name: str
    mac: bytes
    up: bool


class LinkEvent(msgspec.Struct, frozen=True):
    """The interface changed; `link` None: it is gone."""

    index: int
    link: Link | None


class AddressGone(msgspec.Struct, frozen=True):
    """An address (packed) was taken off an interface, by us, by its lifetime or by somebody else."""

    index: int
    address: bytes


class Kernel:
    """One socket for requests, one (`fileno`) for events. Raises Unavailable when the kernel refuses."""

    def __init__(self, events: bool = True) -> None:
        self._requests = _open(0)
        self._requests.settimeout(2.0)
        self._events = _open(_GROUPS if events else 0)
        self._events.setblocking(False)
        sieve.attach(self._events, sieve.no_renewals())
        self._sequence = 0

    def fileno(self) -> int:
        return self._events.fileno()

    def close(self) -> None:
        self._requests.close()
        self._events.close()

    def link(self, name: str) -> Link | None:
        """The interface of that name, or None."""
        body = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + _attribute(_IFLA_IFNAME, name.encode() + b"\0")
        reply = self._ask(RTM_GETLINK, 0, body, absent=(errno.ENODEV,))
        return _parse_link(reply) if reply else None

    def put_address(self, index: int, cidr: str, lifetime_s: int) -> None:
        """Add the address, or renew it, for so many seconds. IPv6 without duplicate detection: VRRP has decided."""
        interface = ipaddress.ip_interface(cidr)
        # An IPv6 address past its preferred lifetime is never chosen as a source of our own connections.
        preferred = lifetime_s if interface.version == 4 else 0
        body = _address_body(index, cidr) + _attribute(
            _IFA_CACHEINFO, struct.pack("=IIII", preferred, lifetime_s, 0, 0)
        )
        if interface.version == 6:
            body += _attribute(_IFA_FLAGS, struct.pack("=I", _IFA_F_NODAD))
        self._ask(RTM_NEWADDR, _CREATE | _REPLACE, body)

    def drop_address(self, index: int, cidr: str) -> bool:
        """Take the address off; False when it was not there."""
        absent = (errno.EADDRNOTAVAIL, errno.ENODEV)
        return self._ask(RTM_DELADDR, 0, _address_body(index, cidr), absent=absent) is not None

    def wait_local(self, address: bytes, seconds: float) -> bool:
        """Wait until packets to an IPv6 address (packed) reach this host: the kernel adds that route a little later."""
        body = _ROUTE.pack(socket.AF_INET6, 128, 0, 0, 0, 0, 0, 0, 0) + _attribute(_RTA_DST, address)
        end = time.monotonic() + seconds
        while True:
            reply = self._ask(RTM_GETROUTE, 0, body, absent=(errno.ENETUNREACH, errno.EHOSTUNREACH))
            if reply is not None and len(reply) >= _ROUTE.size and _ROUTE.unpack_from(reply)[7] == _RTN_LOCAL:
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.0005)

    def put_route(self, index: int, destination: str, gateway: str) -> None:
        self._ask(RTM_NEWROUTE, _CREATE | _REPLACE, _route_body(index, destination, gateway))

    def drop_route(self, index: int, destination: str, gateway: str) -> bool:
        absent = (errno.ESRCH, errno.ENODEV)
        return self._ask(RTM_DELROUTE, 0, _route_body(index, destination, gateway), absent=absent) is not None

    def events(self) -> list[LinkEvent | AddressGone]:
        """What happened since the last call; never blocks."""
        found: list[LinkEvent | AddressGone] = []
        while True:
            try:
                data = self._events.recv(65536)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue
            for kind, body in _messages(data):
                if kind in (RTM_NEWLINK, RTM_DELLINK):
                    link = _parse_link(body)
                    found.append(LinkEvent(link.index, link if kind == RTM_NEWLINK else None))
                elif kind == RTM_DELADDR:
                    _, _, _, _, index = _IFADDR.unpack_from(body)
                    attributes = _attributes(body[_IFADDR.size :])
                    address = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
                    if address:
                        found.append(AddressGone(index, address))

    def _ask(self, kind: int, flags: int, body: bytes, absent: tuple[int, ...] = ()) -> bytes | None:
        self._sequence += 1
        size = _HEADER.size + len(body)
        self._requests.send(_HEADER.pack(size, kind, _REQUEST | _ACK | flags, self._sequence, 0) + body)
        answer = b""
        while True:
            data = self._requests.recv(65536)
            for code, content in _messages(data, self._sequence):
                if code != _ERROR:
                    answer = content
                    continue
                number = -struct.unpack_from("=i", content)[0]
                if number in absent:
                    return None
                if number:
                    raise Unavailable(f"the kernel refused a change of the network: {os.strerror(number)}")
                return answer


def _open(groups: int) -> socket.socket:
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    netlink.bind((0, groups))
    return netlink


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        if size < _ATTRIBUTE.size:
            break
        found[kind] = data[_ATTRIBUTE.size : size]
        data = data[(size + 3) & ~3 :]
    return found


def _messages(data: bytes, sequence: int | None = None) -> list[tuple[int, bytes]]:
    found = []
    while len(data) >= _HEADER.size:
        size, kind, _, number, _ = _HEADER.unpack_from(data)
        if size < _HEADER.size:
            break
        if sequence is None or number == sequence:
            found.append((kind, data[_HEADER.size : size]))
        data = data[(size + 3) & ~3 :]
    return found


def _parse_link(body: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(body)
    attributes = _attributes(body[_IFINFO.size :])
    name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace")
    up = bool(flags & _IFF_UP and flags & _IFF_RUNNING)
    return Link(index, name, attributes.get(_IFLA_ADDRESS, b""), up)


def _address_body(index: int, cidr: str) -> bytes:
    interface = ipaddress.ip_interface(cidr)
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    packed = interface.ip.packed
    body = _IFADDR.pack(family, interface.network.prefixlen, 0, 0, index)
    return body + _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)


def _route_body(index: int, destination: str, gateway: str) -> bytes:
    network = ipaddress.ip_network(destination, strict=False)
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    main, static, universe, link_scope, unicast = 254, 4, 0, 253, 1
    scope = universe if gateway or network.version == 6 else link_scope
    body = _ROUTE.pack(family, network.prefixlen, 0, 0, main, static, scope, unicast, 0)
    body += _attribute(_RTA_DST, network.network_address.packed) + _attribute(_RTA_OIF, struct.pack("=i", index))
    if gateway:
        body += _attribute(_RTA_GATEWAY, ipaddress.ip_address(gateway).packed)
    return body
