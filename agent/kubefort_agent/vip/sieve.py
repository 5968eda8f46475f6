"""A socket filter (classic BPF): the kernel tells adverts that can be our group's from what certainly is none of them.

A flood of garbage then neither wakes the loop nor fills the buffer that the group's own adverts come through.
"""

from __future__ import annotations

import ctypes
import socket
import struct

_SO_ATTACH_FILTER = 26
_LOAD_BYTE, _LOAD_HALF, _LOAD_BYTE_AFTER_HEADER, _HEADER_TO_X = 0x30, 0x28, 0x50, 0xB1
_STORE, _LOAD_STORED_TO_X, _SHIFT_LEFT, _ADD, _ADD_X, _SUBTRACT_X = 0x02, 0x61, 0x64, 0x04, 0x0C, 0x1C
_EQUAL, _RETURN = 0x15, 0x06
_ALL = 0xFFFF
# After the addresses: nothing, version 2's authentication data, the trailer with the HMAC, both.
_TAILS = (0, 8, 28, 36)
_KINDS = (0x21, 0x31)

Instruction = tuple[int, int, int, int]


def program(vrid: int, *, others: bool) -> list[Instruction]:
    """For a raw IPv4 socket: what has our VRID, TTL 255 and a possible length; `others`: everything else."""
    good, bad = 21, 22
    lines: list[tuple[int, int, int, int]] = [
        (_LOAD_BYTE, 0, 0, 8),
        (_EQUAL, 2, bad, 255),
        (_HEADER_TO_X, 0, 0, 0),
        (_LOAD_BYTE_AFTER_HEADER, 0, 0, 1),
        (_EQUAL, 5, bad, vrid),
        (_LOAD_BYTE_AFTER_HEADER, 0, 0, 0),
        (_EQUAL, 8, 7, _KINDS[0]),
        (_EQUAL, 8, bad, _KINDS[1]),
        (_LOAD_BYTE_AFTER_HEADER, 0, 0, 3),
        (_SHIFT_LEFT, 0, 0, 2),
        (_ADD, 0, 0, 8),
        (_ADD_X, 0, 0, 0),
        (_STORE, 0, 0, 0),
        (_LOAD_STORED_TO_X, 0, 0, 0),
        (_LOAD_HALF, 0, 0, 2),
        (_SUBTRACT_X, 0, 0, 0),
        (_EQUAL, good, 17, _TAILS[0]),
        (_EQUAL, good, 18, _TAILS[1]),
        (_EQUAL, good, 19, _TAILS[2]),
        (_EQUAL, good, 20, _TAILS[3]),
        (_RETURN, 0, 0, _ALL if others else 0),
        (_RETURN, 0, 0, 0 if others else _ALL),
        (_RETURN, 0, 0, _ALL if others else 0),
    ]
    # The kernel counts from the next instruction.
    return [
        (code, yes - at - 1, no - at - 1, value) if code == _EQUAL else (code, 0, 0, value)
        for at, (code, yes, no, value) in enumerate(lines)
    ]


def no_renewals() -> list[Instruction]:
    """For an rtnetlink socket: no word of addresses put on or renewed (RTM_NEWADDR), as our own are all the time."""
    # BPF reads it as big-endian, whatever the machine.
    new_address = int.from_bytes(struct.pack("=H", 20), "big")
    return [(_LOAD_HALF, 0, 0, 4), (_EQUAL, 0, 1, new_address), (_RETURN, 0, 0, 0), (_RETURN, 0, 0, _ALL)]


def icmpv6(kind: int) -> list[Instruction]:
    """For a packet socket of IPv6 over Ethernet: ICMPv6 of that type, right after the IPv6 header."""
    return [
        (_LOAD_BYTE, 0, 0, 20),
        (_EQUAL, 0, 3, 58),
        (_LOAD_BYTE, 0, 0, 54),
        (_EQUAL, 0, 1, kind),
        (_RETURN, 0, 0, _ALL),
        (_RETURN, 0, 0, 0),
    ]


def attach(end: socket.socket, lines: list[Instruction]) -> None:
    """Raises OSError when the kernel refuses it. What came before it is thrown away."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    head = struct.pack("@HP", len(lines), ctypes.addressof(code))
    end.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, head)
    try:
        while True:
            end.recv(2048)
    except BlockingIOError:
        return
