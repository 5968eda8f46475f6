"""Enrolment tokens in kubeadm's form, and how often somebody may guess."""

from __future__ import annotations

import collections
import datetime
import hashlib
import hmac
import re
import secrets
import string
import time
from collections.abc import Callable

import msgspec
from kubefort.errors import InvalidInput, Refused
from kubefort.model.cluster import Role

from kubefort_coordinator.records import Records, TokenRecord

LIFETIME_S = 24 * 3600.0
_FORM = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_ALPHABET = string.ascii_lowercase + string.digits
_HINT = "make a new one with `kfctl token create`"
_WINDOW_S = 60.0
_TRIES_PER_ADDRESS = 10
_TRIES_IN_ALL = 60


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class RateLimit:
    """Counts failures in the last minute, per address and in all."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: collections.deque[tuple[float, str]] = collections.deque()

    def check(self, address: str) -> None:
        """Raises Refused where `address`, or everybody together, failed too often."""
        while self._failures and self._failures[0][0] < self._clock() - _WINDOW_S:
            self._failures.popleft()
        own = sum(1 for _, each in self._failures if each == address)
        if own >= _TRIES_PER_ADDRESS or len(self._failures) >= _TRIES_IN_ALL:
            raise Refused("too many wrong tokens in the last minute", "wait a minute, then try again with a right one")

    def failed(self, address: str) -> None:
        self._failures.append((self._clock(), address))


class Tokens:
    """Makes and spends tokens. The secret half is kept as a hash only."""

    def __init__(self, records: Records, clock: Callable[[], float] = time.time) -> None:
        self._records = records
        self._clock = clock
        self.limit = RateLimit()

    def create(self, role: Role, lifetime_s: float = 0.0, uses: int = 0) -> str:
        """A new token; 0 stands for 24 hours, and for one use. Expired ones are forgotten."""
        if lifetime_s < 0 or uses < 0:
            raise InvalidInput("a token's lifetime and number of uses are not negative")
        for old in self._records.tokens():
            if old.expires < self._clock() - LIFETIME_S:
                self._records.delete_token(old.id)
        id, secret = _random(6), _random(16)
        expires = self._clock() + (lifetime_s or LIFETIME_S)
        self._records.put_token(TokenRecord(id, _hash(secret), role, uses or 1, expires))
        return f"{id}.{secret}"

    def check(self, token: str, address: str, *, spent_before: bool = False) -> TokenRecord:
        """The record of a good token that `address` shows; raises Refused or InvalidInput, and counts the failure.

        With `spent_before` (the caller's answer got lost) it may be used up.
        """
        self.limit.check(address)
        try:
            return self._check(token, spent_before)
        except (Refused, InvalidInput):
            self.limit.failed(address)
            raise

    def _check(self, token: str, spent_before: bool) -> TokenRecord:
        found = _FORM.fullmatch(token)
        if found is None:
            raise InvalidInput("a token looks like abcdef.0123456789abcdef", _HINT)
        record = self._records.token(found[1])
        right = hmac.compare_digest(_hash(found[2]), record.secret_sha256 if record else _hash(""))
        if record is None or not right:
            raise Refused("this token is wrong", _HINT)
        if record.expires <= self._clock():
            moment = datetime.datetime.fromtimestamp(record.expires, datetime.timezone.utc)
            raise Refused(f"this token expired at {moment:%Y-%m-%d %H:%M:%S} UTC", _HINT)
        if record.uses_left < 1 and not spent_before:
            raise Refused("this token is used up", _HINT)
        return record

    def spend(self, record: TokenRecord) -> None:
        """One use less; to be called in the transaction that registers the host."""
        self._records.put_token(msgspec.structs.replace(record, uses_left=record.uses_left - 1))
