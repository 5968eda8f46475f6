from __future__ import annotations

import struct

import pytest
from kubefort_agent.vip import sieve
from kubefort_agent.vip.arp import claim_in, gratuitous, solicitation
from kubefort_agent.vip.codec import checksum, pack
from kubefort_agent.vip.sieve import Instruction


def run(lines: list[Instruction], packet: bytes) -> bool:
    """Classic BPF, as far as it is used here, by its definition (networking/filter.rst): whether the packet passes."""
    a = x = at = 0
    memory = [0] * 16
    while True:
        code, yes, no, k = lines[at]
        at += 1
        if code in (0x30, 0x50):
            a = packet[k + (x if code == 0x50 else 0)]
        elif code == 0x28:
            a = struct.unpack_from("!H", packet, k)[0]
        elif code == 0xB1:
            x = 4 * (packet[k] & 15)
        elif code == 0x02:
            memory[k] = a
        elif code == 0x61:
            x = memory[k]
        elif code == 0x64:
            a <<= k
        elif code == 0x04:
            a += k
        elif code == 0x0C:
            a += x
        elif code == 0x1C:
            a -= x
        elif code == 0x15:
            at += yes if a == k else no
        else:
            assert code == 0x06
            return k > 0


def packet(kind: int = 0x31, vrid: int = 51, ttl: int = 255, count: int = 1, tail: int = 0, options: int = 0) -> bytes:
    payload = bytes((kind, vrid, 254, count, 0, 10, 0, 0)) + bytes(4 * count + tail)
    size = 20 + 4 * options
    head = struct.pack("!BBHHHBBH", 0x40 | size // 4, 0, size + len(payload), 0, 0, ttl, 112, 0)
    return head + bytes(8 + 4 * options) + payload


@pytest.mark.parametrize(
    ("data", "ours"),
    [
        (packet(), True),
        (packet(tail=28), True),
        (packet(kind=0x21, tail=8), True),
        (packet(kind=0x21, tail=36), True),
        (packet(count=20, options=2), True),
        (packet(vrid=52), False),
        (packet(ttl=254), False),
        (packet(kind=0x32), False),
        (packet(kind=0x41), False),
        (packet(tail=1), False),
    ],
)
def test_a_packet_goes_to_one_of_the_two_sockets(data: bytes, ours: bool) -> None:
    assert run(sieve.program(51, others=False), data) is ours
    assert run(sieve.program(51, others=True), data) is not ours


@pytest.mark.parametrize(("kind", "heard"), [(20, False), (21, True), (16, True)])
def test_of_addresses_only_those_that_go_are_told(kind: int, heard: bool) -> None:
    assert run(sieve.no_renewals(), struct.pack("=IHHII", 16, kind, 0, 0, 0)) is heard


def test_only_neighbour_advertisements_reach_the_detector() -> None:
    mac, address = b"\x02\0\0\0\0\1", pack("fd99::100")
    (advertisement,) = gratuitous(mac, address)
    assert run(sieve.icmpv6(136), advertisement)
    assert claim_in(advertisement) == (mac, address)
    assert not run(sieve.icmpv6(136), solicitation(mac, address))
    assert claim_in(solicitation(mac, address)) is None


def test_a_solicitation_asks_as_duplicate_address_detection_does() -> None:
    frame = solicitation(b"\x02\0\0\0\0\1", pack("fd99::1:2:3"))
    assert frame[:6] == bytes.fromhex("3333ff020003")
    assert frame[22:38] == bytes(16)
    assert frame[38:54] == pack("ff02::1:ff02:3")
    assert frame[62:] == pack("fd99::1:2:3")
    # Over the pseudo-header and itself, a right checksum sums up to nothing.
    assert checksum(frame[22:54] + struct.pack("!II", 24, 58) + frame[54:]) == 0
