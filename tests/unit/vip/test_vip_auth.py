from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubefort_agent.vip import auth, codec
from kubefort_agent.vip.auth import AuthError, Sequence, Verifier
from kubefort_agent.vip.codec import Advert, Decoded

A, B, VIP = b"\x0a\0\0\x01", b"\x0a\0\0\x02", b"\x0a\0\0\x64"
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
NOW = 1_800_000_000.0
YEAR = 365 * 86400.0
ADVERT = Advert(3, 51, 200, 100, (VIP,))


def sent(sequence: int, key_id: int = 7, key: bytes = KEY, source: bytes = A, advert: Advert = ADVERT) -> Decoded:
    return Decoded(advert, auth.trailer(key_id, key, sequence, advert, source), True)


def verifier(mode: str = "enforce", window_s: float | None = None) -> Verifier:
    return Verifier(mode, {7: KEY, 8: OTHER}, window_s)


def cause(one: Verifier, decoded: Decoded, source: bytes = A, now: float = NOW) -> str:
    try:
        one.check(decoded, source, now)
    except AuthError as error:
        return error.cause
    return ""


@pytest.mark.parametrize(
    ("mode", "without", "with_trailer", "forged"),
    [
        ("off", "", "auth-unexpected", "auth-unexpected"),
        ("receive-only", "", "", "auth-forged"),
        ("permissive", "", "", "auth-forged"),
        ("enforce", "auth-missing", "", "auth-forged"),
    ],
)
def test_what_each_mode_accepts(mode: str, without: str, with_trailer: str, forged: str) -> None:
    assert cause(verifier(mode), Decoded(ADVERT, b"", True)) == without
    assert cause(verifier(mode), sent(auth.clock_sequence(NOW))) == with_trailer
    assert cause(verifier(mode), sent(auth.clock_sequence(NOW), key=OTHER)) == forged


def test_an_unknown_key_a_wrong_source_and_a_changed_advert_are_refused() -> None:
    number = auth.clock_sequence(NOW)
    assert cause(verifier(), sent(number, key_id=9)) == "auth-key"
    assert cause(verifier(), sent(number), source=B) == "auth-forged"
    changed = Decoded(Advert(3, 51, 255, 100, (VIP,)), sent(number).trailer, True)
    assert cause(verifier(), changed) == "auth-forged"


def test_replayed_and_reordered_adverts_are_refused() -> None:
    one, sequence = verifier(), Sequence()
    first, second, third = (sent(sequence.next(NOW)) for _ in range(3))
    assert cause(one, first) == ""
    assert cause(one, first) == "auth-replayed"
    assert cause(one, third) == ""
    assert cause(one, second) == "auth-replayed"


def test_a_forged_advert_does_not_move_the_window() -> None:
    one = verifier()
    assert cause(one, sent(auth.clock_sequence(NOW + YEAR), key=OTHER)) == "auth-forged"
    assert cause(one, sent(auth.clock_sequence(NOW))) == ""


def test_rotation_knows_both_keys_and_each_has_its_own_sequence() -> None:
    one = verifier()
    assert cause(one, sent(auth.clock_sequence(NOW + YEAR))) == ""
    assert cause(one, sent(auth.clock_sequence(NOW), key_id=8, key=OTHER)) == ""


@pytest.mark.parametrize("jump", [-YEAR, YEAR])
def test_a_senders_clock_jump_loses_no_advert(jump: float) -> None:
    one, sequence = verifier(), Sequence()
    for now in (NOW, NOW + 0.1, NOW + jump, NOW + jump + 0.1, NOW + 0.2, NOW + 0.3):
        assert cause(one, sent(sequence.next(now)), now=NOW) == ""


@pytest.mark.parametrize("jump", [-YEAR, YEAR])
def test_a_receivers_clock_jump_loses_no_advert(jump: float) -> None:
    one, sequence = verifier(), Sequence()
    assert cause(one, sent(sequence.next(NOW))) == ""
    assert cause(one, sent(sequence.next(NOW + 0.1)), now=NOW + jump) == ""


def test_time_mode_demands_clocks_that_agree() -> None:
    one = verifier(window_s=5.0)
    assert cause(one, sent(auth.clock_sequence(NOW + 4))) == ""
    assert cause(one, sent(auth.clock_sequence(NOW + 6))) == "auth-clock"
    assert cause(verifier(window_s=5.0), sent(auth.clock_sequence(NOW - 6))) == "auth-clock"


def test_the_offset_of_clocks_is_told() -> None:
    assert verifier().check(sent(auth.clock_sequence(NOW + 2.5)), A, NOW) == pytest.approx(2.5, abs=0.001)


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(1, 2**63 - 1))
def test_serial_arithmetic_wraps(number: int, step: int) -> None:
    later = (number + step) % 2**64
    assert auth.newer(later, number)
    assert not auth.newer(number, later)
    assert not auth.newer(number, number)


@settings(deadline=None)
@given(st.lists(st.floats(0, 4e9), max_size=50))
def test_a_sequence_grows_whatever_the_clock_does(times: list[float]) -> None:
    sequence = Sequence(auth.clock_sequence(2e9))
    before = sequence.last
    for now in times:
        following = sequence.next(now)
        assert auth.newer(following, before)
        before = following


def test_a_trailer_survives_the_wire() -> None:
    trailer = sent(auth.clock_sequence(NOW)).trailer
    wire = codec.encode(ADVERT, A, B, trailer)
    assert cause(verifier(), codec.decode(wire, A, B)) == ""


def test_the_first_number_is_the_clocks_after_2038_too() -> None:
    assert Sequence().next(3e9) == auth.clock_sequence(3e9)
