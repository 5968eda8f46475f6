from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubefort_agent.vip import auth, codec
from kubefort_agent.vip.codec import Advert, CodecError

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text())


def split(packet: bytes) -> tuple[bytes, bytes, bytes]:
    """A captured packet as (source, destination, payload)."""
    if packet[0] >> 4 == 4:
        return packet[12:16], packet[16:20], packet[(packet[0] & 15) * 4 :]
    return packet[8:24], packet[24:40], packet[40:]


def label(case: dict[str, Any]) -> str:
    return f"v{case['vrrp_version']}-{case['family']}-{case['mode']}-{case['auth']}-{case['advert_int_s']}"


def test_there_are_fourteen_captured_cases() -> None:
    assert len(CASES) == 14


@pytest.mark.parametrize("case", CASES, ids=label)
def test_captured_packets_decode_and_are_reproduced(case: dict[str, Any]) -> None:
    verifier = auth.Verifier("permissive", {case["hmac_key_id"]: bytes.fromhex(case["hmac_key_hex"] or "")})
    for hexadecimal in case["packets"]:
        source, destination, payload = split(bytes.fromhex(hexadecimal))
        decoded = codec.decode(payload, source, destination)
        advert = decoded.advert
        assert (advert.version, advert.vrid, advert.priority) == (case["vrrp_version"], case["vrid"], case["priority"])
        assert advert.interval_ms == round(case["advert_int_s"] * 1000)
        assert [codec.text(address) for address in advert.addresses] == case["virtual_addresses"]
        assert decoded.pseudo_header == (case["vrrp_version"] == 3)
        trailer = b""
        if case["auth"] == "hmac":
            assert verifier.check(decoded, source, 0.0) is not None
            sequence = int.from_bytes(decoded.trailer[4:12], "big")
            key = bytes.fromhex(case["hmac_key_hex"])
            trailer = auth.trailer(case["hmac_key_id"], key, sequence, advert, source)
        assert codec.encode(advert, source, destination, trailer) == payload


def adverts(version: int, size: int) -> st.SearchStrategy[Advert]:
    address = st.binary(min_size=size, max_size=size)
    interval = (
        st.integers(0, 255).map(lambda s: s * 1000) if version == 2 else st.integers(0, 4095).map(lambda c: c * 10)
    )
    return st.builds(
        Advert,
        version=st.just(version),
        vrid=st.integers(0, 255),
        priority=st.integers(0, 255),
        interval_ms=interval,
        addresses=st.lists(address, max_size=20).map(tuple),
        auth_type=st.integers(0, 255) if version == 2 else st.just(0),
        auth_data=st.binary(min_size=8, max_size=8) if version == 2 else st.just(bytes(8)),
    )


@settings(deadline=None)
@given(st.data())
def test_decode_of_encode_is_the_same(data: st.DataObject) -> None:
    version, size = data.draw(st.sampled_from([(2, 4), (3, 4), (3, 16)]))
    advert = data.draw(adverts(version, size))
    source, destination = data.draw(st.binary(min_size=size, max_size=size)), bytes(size)
    trailer = data.draw(st.one_of(st.just(b""), st.binary(min_size=28, max_size=28)))
    pseudo_header = data.draw(st.booleans())
    decoded = codec.decode(codec.encode(advert, source, destination, trailer, pseudo_header), source, destination)
    assert decoded.advert == advert
    assert decoded.trailer == trailer


@settings(deadline=None)
@given(st.binary(max_size=80), st.sampled_from([4, 16]), st.booleans())
def test_any_bytes_raise_nothing_but_the_codecs_error(data: bytes, size: int, verify: bool) -> None:
    cause, version = "", 0
    try:
        version = codec.decode(data, bytes(size), bytes(size), verify=verify).advert.version
    except CodecError as error:
        cause = error.cause
    assert cause in ("length", "version", "type", "checksum") or version in (2, 3)


@settings(deadline=None)
@given(st.binary(min_size=8, max_size=60), st.integers(0, 479))
def test_a_flipped_bit_never_passes_the_checksum(data: bytes, bit: int) -> None:
    advert = Advert(3, 51, 200, 100, (data[:4], data[4:8]))
    good = bytearray(codec.encode(advert, b"\x0a\0\0\x01", b"\xe0\0\0\x12"))
    position = bit % (len(good) * 8)
    good[position // 8] ^= 1 << (position % 8)
    with pytest.raises(CodecError):
        codec.decode(bytes(good), b"\x0a\0\0\x01", b"\xe0\0\0\x12")


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_checksum_is_rfc_1071s(data: bytes) -> None:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert codec.checksum(data) == ~total & 0xFFFF


def test_a_checksum_without_pseudo_header_is_told_apart() -> None:
    advert = Advert(3, 7, 100, 100, (b"\x0a\0\0\x64",))
    source, destination = b"\x0a\0\0\x01", b"\xe0\0\0\x12"
    wire = codec.encode(advert, source, destination, pseudo_header=False)
    assert codec.decode(wire, source, destination).pseudo_header is False
    assert wire != codec.encode(advert, source, destination)
