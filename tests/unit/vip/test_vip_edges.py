from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kubefort.vipfile import VipFile, VipReply, VipRequest
from kubefort_agent.vip import arp, auth, codec, drain, netlink
from kubefort_agent.vip.group import OFFER_MS, Group
from kubefort_agent.vip.memory import Memory
from kubefort_agent.vip.sockets import Packet
from kubefort_agent.vip.status import Client, StatusServer

A, B, GROUP = codec.pack("10.0.0.1"), codec.pack("10.0.0.2"), codec.pack("224.0.0.18")
MAC = bytes.fromhex("020000000001")


def config(**more: Any) -> VipFile:
    base: dict[str, Any] = {"interface": "eth0", "addresses": ("10.0.0.100/32",), "vrid": 51, "priority": 254}
    return VipFile(**{**base, "source": "10.0.0.1", **more})


def packet(sender: Group, priority: int = 200, ttl: int = 255, offer: bool = False) -> Packet:
    advert, trailer = sender.advert(priority, offer)
    return Packet(sender.source, GROUP, ttl, codec.encode(advert, sender.source, GROUP, trailer), False)


def test_a_group_hears_its_members() -> None:
    ours, theirs = Group(config()), Group(config(source="10.0.0.2"))
    heard = ours.receive(packet(theirs, 200), 1.0)
    assert heard is not None
    assert (heard.source, heard.priority, heard.interval, heard.offer) == (B, 200, 0.1, False)
    assert ours.peers_heard(1.5)[0].ago_s == 0.5
    assert ours.pseudo_header is True


@pytest.mark.parametrize(
    ("theirs", "ours", "ttl", "cause"),
    [
        ({"vrid": 52}, {}, 255, "vrid"),
        ({}, {}, 254, "ttl"),
        ({"source": "10.0.0.1"}, {}, 255, "own-source"),
        ({}, {"peers": ("10.0.0.3",)}, 255, "wrong-source"),
        ({"version": 2, "interval_ms": 1000}, {}, 255, "version"),
        ({"addresses": ("10.0.0.200/32",)}, {}, 255, "addresses"),
        ({"version": 2, "interval_ms": 2000}, {"version": 2, "interval_ms": 1000}, 255, "interval"),
    ],
)
def test_what_must_not_matter_is_counted(theirs: dict[str, Any], ours: dict[str, Any], ttl: int, cause: str) -> None:
    group = Group(config(**ours))
    sender = Group(config(**{"source": "10.0.0.2", **theirs}))
    assert group.receive(packet(sender, ttl=ttl), 0.0) is None
    assert group.rejected == {cause: 1}
    assert group.received == 0


def test_one_common_address_is_enough() -> None:
    group = Group(config())
    sender = Group(config(source="10.0.0.2", addresses=("10.0.0.100/32", "10.0.0.101/32")))
    assert group.receive(packet(sender), 0.0) is not None


def test_an_offer_is_a_priority_0_with_a_longer_interval() -> None:
    group, sender = Group(config()), Group(config(source="10.0.0.2"))
    group.receive(packet(sender), 0.0)
    offer, leave = group.receive(packet(sender, 0, offer=True), 0.1), group.receive(packet(sender, 0), 0.2)
    assert offer is not None
    assert leave is not None
    assert (offer.offer, leave.offer) == (True, False)
    assert offer.interval == 0.1
    assert sender.advert(0, offer=True)[0].interval_ms == 100 + OFFER_MS


def test_lost_adverts_are_counted() -> None:
    group, sender = Group(config()), Group(config(source="10.0.0.2"))
    for now in (0.0, 0.1, 0.2, 0.5, 0.61):
        group.receive(packet(sender), now)
    assert group.lost == 2


def test_gratuitous_arp_says_where_the_address_is() -> None:
    request, reply = arp.gratuitous(MAC, A)
    assert arp.claim_in(request) == arp.claim_in(reply) == (MAC, A)
    assert (request[21], reply[21]) == (1, 2)
    assert arp.claim_in(arp.arp(1, MAC, bytes(4), bytes(6), A)) is None
    assert arp.claim_in(b"\0" * 60) is None


def test_neighbour_advertisement_overrides_and_has_a_right_checksum() -> None:
    address = codec.pack("fd00::100")
    (frame,) = arp.gratuitous(MAC, address)
    header, body = frame[14:54], frame[54:]
    assert frame[:6] == bytes.fromhex("333300000001")
    assert (header[7], body[0], body[4] & 0x20) == (255, 136, 0x20)
    assert body[8:24] == address
    pseudo = header[8:40] + struct.pack("!II", len(body), 58)
    assert codec.checksum(pseudo + body) == 0


def test_netlink_messages_are_read_and_broken_ones_end() -> None:
    assert netlink._messages(b"") == []
    assert netlink._messages(struct.pack("=IHHII", 3, 16, 0, 0, 0)) == []
    assert netlink._attributes(netlink._attribute(3, b"eth0\0") + netlink._attribute(1, MAC)) == {3: b"eth0\0", 1: MAC}
    body = struct.pack("=BxHiII", 0, 1, 7, 0x41, 0) + netlink._attribute(3, b"eth0\0") + netlink._attribute(1, MAC)
    assert netlink._parse_link(body) == netlink.Link(7, "eth0", MAC, True)


@pytest.mark.parametrize(("source", "family"), [("10.0.0.1", "ip"), ("fd00::1", "ip6")])
def test_the_forwarding_rules_name_address_interface_and_former_holder(source: str, family: str) -> None:
    address = "10.0.0.100/32" if family == "ip" else "fd00::100/128"
    former = "10.0.0.2" if family == "ip" else "fd00::2"
    rules = drain.ruleset(config(source=source, addresses=(address,)), "eth0", codec.pack(former))
    assert f"table {family} kubefort_vip" in rules
    assert f"dup to {former}" in rules
    assert address.partition("/")[0] in rules
    nft = shutil.which("nft", path="/usr/sbin:/usr/bin")
    if nft is not None:
        checked = subprocess.run([nft, "-c", "-f", "-"], input=rules, capture_output=True, text=True, check=False)
        assert checked.returncode == 0 or "permitted" in checked.stderr, checked.stderr


def test_memory_goes_on_after_a_kill_and_after_a_power_loss(tmp_path: Path) -> None:
    run, state = tmp_path / "run", tmp_path / "state"
    sequence, verifier = auth.Sequence(), auth.Verifier("enforce", {})
    memory = Memory(run, state)
    sent = sequence.next(1_800_000_000.0)
    memory.note(sequence)
    verifier.seen[B, 7] = 12345
    memory._write(memory.content(sequence, verifier))

    killed, heard = auth.Sequence(), auth.Verifier("enforce", {})
    Memory(run, state).restore(killed, heard)
    assert killed.last == sent
    assert heard.seen == {(B, 7): 12345}

    powerless = auth.Sequence()
    Memory(tmp_path / "new-run", state).restore(powerless, auth.Verifier("enforce", {}))
    assert auth.newer(powerless.last, sent)
    assert auth.newer(powerless.next(0.0), sent)  # with a clock that starts in 1970

    exact = auth.Sequence()
    Memory(tmp_path / "third-run", state).restore(exact, auth.Verifier("enforce", {}, window_s=5.0))
    assert exact.last == 0


def test_memory_that_is_not_usable_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "sequence.json").write_bytes(b"\xff{")
    sequence = auth.Sequence()
    Memory(tmp_path / "run", tmp_path).restore(sequence, auth.Verifier("enforce", {}))
    assert sequence.last == 0


def ask(path: Path, server: StatusServer, line: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(str(path))
        unix.sendall(line)
        for _ in range(3):
            server.step(0.0, set(server.filenos()))
        answer: dict[str, Any] = json.loads(unix.recv(65536))
        return answer


def test_status_socket_answers_one_line_for_one_line(tmp_path: Path) -> None:
    path = tmp_path / "vip.sock"

    def handle(_: Client, request: VipRequest) -> VipReply:
        return VipReply(ok=True, message=request.command)

    server = StatusServer(path, handle)
    try:
        assert path.stat().st_mode & 0o777 == 0o600
        assert ask(path, server, b'{"command": "status"}\n')["message"] == "status"
        assert ask(path, server, b'{"command": "dance"}\n')["ok"] is False
        assert ask(path, server, b"\xff\xfe\n")["ok"] is False
    finally:
        server.close()
    assert not path.exists()
    assert msgspec.json.decode(b'{"command": "take"}', type=VipRequest).hold_s is None
