"""Tokens: form, lifetime, uses, and how often one may guess."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kubefort.errors import InvalidInput, Refused
from kubefort_coordinator.records import Records
from kubefort_coordinator.store.sqlite import SqliteStore
from kubefort_coordinator.tokens import RateLimit, Tokens


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(SqliteStore(tmp_path / "db"))


@pytest.fixture
def tokens(records: Records, clock: Clock) -> Tokens:
    return Tokens(records, clock)


def test_a_token_has_kubeadms_form_and_only_a_hash_is_kept(tokens: Tokens, records: Records) -> None:
    token = tokens.create("worker")
    assert re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token)
    body = records.store.get("token", token[:6])
    assert body is not None
    assert token[7:].encode() not in body
    assert tokens.check(token, "a").role == "worker"


@pytest.mark.parametrize("token", ["", "abc", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcdefg", "abcdef.0123\n"])
def test_what_is_no_token_is_invalid(tokens: Tokens, token: str) -> None:
    with pytest.raises(InvalidInput, match="looks like"):
        tokens.check(token, "a")


def test_a_wrong_secret_is_refused(tokens: Tokens) -> None:
    token = tokens.create("worker")
    with pytest.raises(Refused, match="is wrong"):
        tokens.check(token[:7] + "0" * 16, "a")


def test_an_expired_token_says_when_it_expired(tokens: Tokens, clock: Clock) -> None:
    token = tokens.create("worker", lifetime_s=60)
    clock.now += 61
    with pytest.raises(Refused, match="expired at 2027-01-15 08:01:00 UTC") as caught:
        tokens.check(token, "a")
    assert "kfctl token create" in caught.value.hint


def test_a_token_is_used_up(tokens: Tokens) -> None:
    token = tokens.create("worker", uses=2)
    tokens.spend(tokens.check(token, "a"))
    tokens.spend(tokens.check(token, "a"))
    with pytest.raises(Refused, match="used up"):
        tokens.check(token, "a")
    assert tokens.check(token, "a", spent_before=True).uses_left == 0


def test_the_same_address_may_guess_ten_times_a_minute() -> None:
    clock = Clock()
    limit = RateLimit(clock)
    for _ in range(10):
        limit.check("a")
        limit.failed("a")
    with pytest.raises(Refused, match="too many"):
        limit.check("a")
    limit.check("b")
    clock.now += 61
    limit.check("a")


def test_all_addresses_together_are_limited_as_well() -> None:
    limit = RateLimit(Clock())
    for number in range(60):
        limit.failed(f"host-{number}")
    with pytest.raises(Refused, match="too many"):
        limit.check("another")


def test_a_right_token_costs_no_try(tokens: Tokens) -> None:
    token = tokens.create("worker")
    for _ in range(30):
        tokens.check(token, "a")


def test_tokens_that_expired_long_ago_are_forgotten(tokens: Tokens, records: Records, clock: Clock) -> None:
    tokens.create("worker", lifetime_s=1)
    clock.now += 3 * 24 * 3600
    fresh = tokens.create("worker")
    assert [record.id for record in records.tokens()] == [fresh[:6]]
