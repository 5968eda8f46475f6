"""The HMAC-SHA256 trailer of adverts (keepalived 2.4 `auth_hmac`, draft-cassen-vrrp-auth-hmac). Pure.

    type=1 (1)  key id (1)  reserved=0 (2)  seconds (4)  1/65536 s (2)  counter (2)  HMAC-SHA256 cut to 16 bytes

The eight bytes from seconds to counter are one sequence number, compared by serial arithmetic (RFC 1982): a sender's
grows with every advert. It starts from the clock, yet nobody needs a right clock: see Sequence and Verifier.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping

import msgspec

from kubefort_agent.vip.codec import TRAILER_SIZE, Advert, Decoded, message

_HEAD = struct.Struct("!BBHQ")
_TYPE_HMAC = 1
_MOD = 1 << 64
_UNIX = 1 << 32  # one second, in units of the sequence


class AuthError(Exception):
    """The advert is refused; `cause` is a word to count by: auth-missing, auth-key, auth-forged, ..."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


def digest(key: bytes, advert: Advert, source: bytes, head: bytes) -> bytes:
    """The HMAC over pseudo-header, advert with zero checksum, and trailer with zero HMAC."""
    family = 4 if len(source) == 4 else 6
    pseudo = bytes((family, advert.version, advert.vrid, 0)) + source.ljust(16, b"\0")
    return hmac.digest(key, pseudo + message(advert) + head + bytes(16), "sha256")[:16]


def trailer(key_id: int, key: bytes, sequence: int, advert: Advert, source: bytes) -> bytes:
    """The 28 bytes that follow the advert."""
    head = _HEAD.pack(_TYPE_HMAC, key_id, 0, sequence % _MOD)
    return head + digest(key, advert, source, head)


def newer(one: int, other: int) -> bool:
    """Whether sequence `one` comes after `other`, by serial arithmetic."""
    return 0 < (one - other) % _MOD < _MOD // 2


def clock_sequence(unix_time: float) -> int:
    """The sequence a right clock gives: seconds and 1/65536 seconds, counter 0."""
    return (int(unix_time * 65536) << 16) % _MOD


class Sequence(msgspec.Struct):
    """A sender's numbers: from the clock while that runs forward, otherwise the last one plus 1.

    `last` must not be behind what was sent before a restart: a host that comes back with its clock in the past would
    send what its peers have seen already, and not be heard.
    """

    last: int = 0

    def next(self, unix_time: float) -> int:
        candidate = clock_sequence(unix_time)
        forward = not self.last or newer(candidate, self.last)
        # 0 means that nothing was sent yet.
        self.last = (candidate if forward else (self.last + 1) % _MOD) or 1
        return self.last


class Verifier(msgspec.Struct):
    """A receiver's side: which keys it knows, and the highest sequence heard of each (source, key id).

    `mode` as in VipAuth. `window_s` None: any growth is fresh (no clock is trusted); a number: the sender's clock must
    be within so many seconds of ours as well. A new key id starts a new sequence, so rotation also heals a lost one.
    """

    mode: str
    keys: Mapping[int, bytes]
    window_s: float | None = None
    seen: dict[tuple[bytes, int], int] = msgspec.field(default_factory=dict)

    def check(self, decoded: Decoded, source: bytes, unix_time: float) -> float | None:
        """Raise AuthError, or remember the sequence and return the sender's clock minus ours (seconds).

        None for an advert without trailer, in the modes that accept it.
        """
        if not decoded.trailer:
            if self.mode == "enforce":
                raise AuthError("auth-missing", "the advert carries no authentication")
            return None
        if self.mode == "off":
            raise AuthError("auth-unexpected", "the advert carries authentication, which is off here")
        kind, key_id, reserved, sequence = _HEAD.unpack_from(decoded.trailer)
        if kind != _TYPE_HMAC or reserved or len(decoded.trailer) != TRAILER_SIZE:
            raise AuthError("auth-type", f"authentication type {kind} is unknown")
        key = self.keys.get(key_id)
        if key is None:
            raise AuthError("auth-key", f"key id {key_id} is unknown")
        expected = digest(key, decoded.advert, source, decoded.trailer[: _HEAD.size])
        if not hmac.compare_digest(expected, decoded.trailer[_HEAD.size :]):
            raise AuthError("auth-forged", f"the HMAC of key id {key_id} does not match")
        last = self.seen.get((source, key_id))
        if last is not None and not newer(sequence, last):
            raise AuthError("auth-replayed", "the sequence has been seen, or is older than one seen")
        offset = _signed(sequence - clock_sequence(unix_time)) / _UNIX
        if self.window_s is not None and abs(offset) > self.window_s:
            raise AuthError("auth-clock", f"the sender's clock is {offset:+.1f} s off, allowed are {self.window_s:g} s")
        self.seen[source, key_id] = sequence
        return offset


def _signed(difference: int) -> int:
    difference %= _MOD
    return difference - _MOD if difference >= _MOD // 2 else difference
