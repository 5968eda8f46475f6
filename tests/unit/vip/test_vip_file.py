from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from kubefort import vipfile
from kubefort.errors import InvalidInput
from kubefort.vipfile import VipFile, VipReply, VipRequest

GOOD: dict[str, Any] = {
    "interface": "eth0",
    "addresses": ["10.0.0.100/32"],
    "vrid": 51,
    "priority": 254,
    "source": "10.0.0.1",
}
KEY = {"id": 1, "secret": "00" * 32}


def decode(**changes: Any) -> VipFile:
    return vipfile.decode(msgspec.json.encode({**GOOD, **changes}))


def test_defaults_and_the_way_back() -> None:
    document = decode()
    assert (document.interval_ms, document.version, document.auth.mode, document.peers) == (100, 3, "off", ())
    assert vipfile.decode(vipfile.encode(document)) == document


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "colour"),
        ({"vrid": 0}, "vrid 0"),
        ({"priority": 255}, "priority 255"),
        ({"addresses": []}, "1 to 20"),
        ({"addresses": ["10.0.0.300/32"]}, "10.0.0.300"),
        ({"addresses": ["fd00::1/128"]}, "mix IPv4 and IPv6"),
        ({"peers": ["10.0.0.1"]}, "own address"),
        ({"interval_ms": 15}, "multiple of 10"),
        ({"version": 2, "interval_ms": 100}, "whole seconds"),
        ({"interface": "a/b"}, "interface"),
        ({"auth": {"mode": "enforce"}}, "needs a key"),
        ({"auth": {"mode": "enforce", "keys": [KEY]}}, "needs send_key_id"),
        ({"auth": {"mode": "enforce", "keys": [KEY], "send_key_id": 2}}, "not among the keys"),
        ({"auth": {"keys": [KEY, KEY]}}, "same id"),
        ({"auth": {"keys": [{"id": 1, "secret": "xyz"}]}}, "hexadecimal"),
        ({"auth": {"keys": [{"id": 1, "secret": "00"}]}}, "16 to 64"),
        ({"health": {"url": "ftp://x"}}, "https://"),
        ({"routes": [{"destination": "nowhere"}]}, "nowhere"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=r"vip\.json") as caught:
        decode(**changes)
    assert said in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        vipfile.load(tmp_path / "vip.json")


def test_a_key_never_shows_in_an_error() -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(auth={"keys": [{"id": 300, "secret": "ab" * 32}]})
    assert "abab" not in str(caught.value)


def test_requests_and_replies_are_one_line() -> None:
    assert msgspec.json.decode(b'{"command": "move", "to": "10.0.0.2"}', type=VipRequest).to == "10.0.0.2"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"command": "move", "to": "nobody"}', type=VipRequest)
    assert b"\n" not in msgspec.json.encode(VipReply(ok=False, message="two\nlines"))
