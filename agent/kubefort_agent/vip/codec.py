"""VRRP adverts as bytes: versions 2 (RFC 3768) and 3 (RFC 9568), IPv4 and IPv6. Pure; raises CodecError only.

    v3:  version|type  vrid  priority  count | reserved|max advertise interval (cs)  checksum | addresses
    v2:  version|type  vrid  priority  count | auth type  interval (s)               checksum | addresses | 8 bytes

Either may be followed by the 28-byte trailer of auth.py.
"""

from __future__ import annotations

import socket
import struct

import msgspec

PROTOCOL = 112
ADVERTISEMENT = 1
TRAILER_SIZE = 28
_HEAD = struct.Struct("!BBBBHH")
_V2_AUTH_SIZE = 8


class CodecError(Exception):
    """These bytes are not a valid advert; `cause` is a word to count by: length, type, version, checksum."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class Advert(msgspec.Struct, frozen=True):
    """One VRRP advertisement.

    `addresses` are packed (4 or 16 bytes each), in order. `interval_ms` is the Active's announced interval.
    `auth_type` and `auth_data` are version 2's, obsolete since RFC 3768 but on the wire.
    """

    version: int
    vrid: int
    priority: int
    interval_ms: int
    addresses: tuple[bytes, ...]
    auth_type: int = 0
    auth_data: bytes = bytes(_V2_AUTH_SIZE)


class Decoded(msgspec.Struct, frozen=True):
    """An advert with what came with it: `trailer` is 28 bytes or empty, `pseudo_header` whether the checksum had it."""

    advert: Advert
    trailer: bytes
    pseudo_header: bool


def checksum(data: bytes) -> int:
    """RFC 1071's Internet checksum."""
    if len(data) % 2:
        data += b"\0"
    # 2**16 is 1 modulo 65535, so the big number's remainder is the one's complement sum.
    total = int.from_bytes(data, "big")
    folded = total % 0xFFFF
    if folded == 0 and total:
        folded = 0xFFFF
    return ~folded & 0xFFFF


def message(advert: Advert) -> bytes:
    """The advert with a checksum field of zero, no trailer: what the trailer's HMAC covers."""
    if advert.version == 2:
        middle = (advert.auth_type << 8) | (advert.interval_ms // 1000)
        tail = advert.auth_data
    else:
        middle = advert.interval_ms // 10
        tail = b""
    first = (advert.version << 4) | ADVERTISEMENT
    head = _HEAD.pack(first, advert.vrid, advert.priority, len(advert.addresses), middle, 0)
    return head + b"".join(advert.addresses) + tail


def encode(
    advert: Advert, source: bytes, destination: bytes, trailer: bytes = b"", pseudo_header: bool = True
) -> bytes:
    """The bytes on the wire after the IP header; source and destination are packed addresses.

    Over IPv4 the checksum leaves the trailer out, over IPv6 it covers it. Version 2 never has a pseudo-header;
    `pseudo_header` False leaves it out of version 3 over IPv4 as well.
    """
    body = message(advert)
    value = _sum(advert.version, body, trailer, source, destination, pseudo_header)
    return body[:6] + value.to_bytes(2, "big") + body[8:] + trailer


def decode(data: bytes, source: bytes, destination: bytes, verify: bool = True) -> Decoded:
    """Parse and check what came after the IP header; `verify` False when the kernel has checked the sum (IPv6)."""
    if len(data) < _HEAD.size:
        raise CodecError("length", f"{len(data)} bytes are too few for an advert")
    first, vrid, priority, count, middle, _ = _HEAD.unpack_from(data)
    version = first >> 4
    if version not in (2, 3):
        raise CodecError("version", f"VRRP version {version} is unknown")
    if first & 15 != ADVERTISEMENT:
        raise CodecError("type", f"VRRP packet type {first & 15} is unknown")
    if version == 2 and len(source) != 4:
        raise CodecError("version", "VRRP version 2 over IPv6 does not exist")
    size = len(source)
    end = _HEAD.size + count * size + (_V2_AUTH_SIZE if version == 2 else 0)
    if len(data) not in (end, end + TRAILER_SIZE):
        raise CodecError("length", f"{len(data)} bytes, but {count} addresses need {end} (or {TRAILER_SIZE} more)")
    addresses = tuple(data[at : at + size] for at in range(_HEAD.size, _HEAD.size + count * size, size))
    if version == 2:
        auth_data = data[end - _V2_AUTH_SIZE : end]
        advert = Advert(2, vrid, priority, (middle & 0xFF) * 1000, addresses, middle >> 8, auth_data)
    else:
        advert = Advert(3, vrid, priority, (middle & 0x0FFF) * 10, addresses)
    trailer = data[end:]
    pseudo_header = version == 3
    if verify:
        pseudo_header = _verify(version, data[:end], trailer, source, destination)
    return Decoded(advert, trailer, pseudo_header)


def _verify(version: int, data: bytes, trailer: bytes, source: bytes, destination: bytes) -> bool:
    """Whether the checksum was made with the pseudo-header; raises CodecError when it is right in neither form."""
    given = int.from_bytes(data[6:8], "big")
    body = data[:6] + b"\0\0" + data[8:]
    for pseudo_header in (True, False) if version == 3 else (False,):
        # 0 and 0xFFFF are the same number in one's complement.
        if given % 0xFFFF == _sum(version, body, trailer, source, destination, pseudo_header) % 0xFFFF:
            return pseudo_header
    raise CodecError("checksum", f"the checksum {given:#06x} is wrong")


def _sum(version: int, body: bytes, trailer: bytes, source: bytes, destination: bytes, pseudo_header: bool) -> int:
    if len(source) == 16:
        covered = body + trailer
        head = source + destination + struct.pack("!IHBB", len(covered), 0, 0, PROTOCOL)
        return checksum(head + covered)
    if version == 3 and pseudo_header:
        return checksum(source + destination + struct.pack("!BBH", 0, PROTOCOL, len(body)) + body)
    return checksum(body)


def pack(address: str) -> bytes:
    """An address in text (a prefix length is ignored) as 4 or 16 bytes."""
    host = address.partition("/")[0]
    return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)


def text(address: bytes) -> str:
    """4 or 16 bytes as an address in text."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)
