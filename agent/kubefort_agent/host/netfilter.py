"""Whether anybody changed a rule of the kernel's packet filter: one small question, no program."""

from __future__ import annotations

import socket
import struct

NETLINK_NETFILTER = 12
GETGEN, NEWGEN = 10 << 8 | 16, 10 << 8 | 15
"""NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN and NFT_MSG_NEWGEN (linux/netfilter/nf_tables.h)."""
GEN_ID = 1
_HEADER = struct.Struct("=IHHII")
_REQUEST = _HEADER.pack(20, GETGEN, 1, 1, 0) + b"\0\0\0\0"


def generation() -> int | None:
    """The number of the ruleset (nftables, and iptables that speaks to it): every change makes it another one.

    None where the kernel does not tell. iptables-legacy does not count here.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
            netlink.settimeout(0.5)
            netlink.send(_REQUEST)
            return parse(netlink.recv(4096))
    except OSError:
        return None


def parse(answer: bytes) -> int | None:
    """The generation that an answer of the kernel names, None where it is another answer."""
    if len(answer) < 28 or _HEADER.unpack_from(answer)[1] != NEWGEN:
        return None
    length, kind = struct.unpack_from("=HH", answer, 20)
    if kind != GEN_ID or length != 8:
        return None
    (number,) = struct.unpack_from("!I", answer, 24)
    return int(number)
