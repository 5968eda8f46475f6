"""Documents to JSON and back, checked on the way in."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from kubefort.errors import InvalidInput

T = TypeVar("T")


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """What every document is: immutable, camelCase outside, unknown fields refused, defaults left out."""


def encode(document: object) -> bytes:
    """JSON of a document, with a stable order of keys."""
    return msgspec.json.encode(document, order="sorted")


def decode(data: bytes | str, kind: type[T], what: str) -> T:
    """A document from JSON; `what` names it in the InvalidInput that anything unexpected raises."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{what}: {error}") from error
