"""Operations: lists of phases that read aloud as what happens, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kubefort.document import Document

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.phases import Phase


@dataclass(frozen=True)
class Kind:
    """A kind of operation.

    arguments   the document that begins it
    check       raises where it must not begin; changes nothing
    begin       what is recorded in the transaction that begins it
    """

    name: str
    arguments: type[Any]
    title: Callable[[Any], str]
    hosts: Callable[[Any], tuple[str, ...]]
    phases: Callable[[Any, Coordinator], tuple[Phase, ...]]
    check: Callable[[Any, Coordinator], None] = lambda arguments, coordinator: None
    begin: Callable[[Any, Coordinator], None] = lambda arguments, coordinator: None


Interruption = Literal["queue", "refuse", "interrupt"]

INTERRUPTIONS: Mapping[tuple[str, str], Interruption] = {
    # (running, new): what happens to the new one. What is not listed waits for its turn.
    ("bootstrap", "bootstrap"): "refuse",
    ("bootstrap", "reset"): "refuse",
    ("join", "bootstrap"): "refuse",
    ("reset", "bootstrap"): "refuse",
}


def interruption(running: str, new: str) -> Interruption:
    """What happens to an operation of kind `new` while one of kind `running` runs."""
    return INTERRUPTIONS.get((running, new), "queue")


def kinds() -> dict[str, Kind]:
    """All kinds of operations by name."""
    from kubefort_coordinator.operations import bootstrap, join, reset

    return {kind.name: kind for kind in (bootstrap.KIND, join.KIND, reset.KIND)}


def arguments_of(kind: Kind, raw: dict[str, object]) -> Document:
    """The arguments of a journalled operation."""
    import msgspec

    result: Document = msgspec.convert(raw, kind.arguments)
    return result
