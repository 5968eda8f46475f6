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
    ended       what is recorded when it ends, well or not
    warnings    what an operator should know before it begins
    """

    name: str
    arguments: type[Any]
    title: Callable[[Any], str]
    hosts: Callable[[Any], tuple[str, ...]]
    phases: Callable[[Any, Coordinator], tuple[Phase, ...]]
    check: Callable[[Any, Coordinator], None] = lambda arguments, coordinator: None
    begin: Callable[[Any, Coordinator], None] = lambda arguments, coordinator: None
    ended: Callable[[Any, Coordinator], None] = lambda arguments, coordinator: None
    warnings: Callable[[Any, Coordinator], tuple[str, ...]] = lambda arguments, coordinator: ()


Interruption = Literal["beside", "queue", "refuse", "interrupt"]

INTERRUPTIONS: Mapping[tuple[str, str], tuple[Interruption, Interruption]] = {
    # (running, new): what becomes of the new one where both change a host, and where they change different ones
    ("bootstrap", "bootstrap"): ("refuse", "refuse"),
    ("bootstrap", "join"): ("queue", "queue"),
    ("bootstrap", "reset"): ("refuse", "refuse"),
    ("join", "bootstrap"): ("refuse", "refuse"),
    ("join", "join"): ("queue", "beside"),
    ("join", "reset"): ("interrupt", "beside"),
    ("reset", "bootstrap"): ("refuse", "refuse"),
    ("reset", "join"): ("queue", "queue"),
    ("reset", "reset"): ("interrupt", "queue"),
    ("upgrade", "bootstrap"): ("refuse", "refuse"),
    ("upgrade", "upgrade"): ("refuse", "refuse"),
    ("upgrade", "reset"): ("refuse", "refuse"),
    ("upgrade", "cordon"): ("refuse", "refuse"),
    ("upgrade", "uncordon"): ("refuse", "refuse"),
    ("upgrade", "drain"): ("refuse", "refuse"),
    ("drain", "uncordon"): ("interrupt", "beside"),
    ("drain", "cordon"): ("interrupt", "beside"),
    ("drain", "drain"): ("interrupt", "beside"),
    ("vip-move", "reset"): ("interrupt", "interrupt"),
    ("vip-rotate-key", "reset"): ("interrupt", "interrupt"),
}
"""beside: both run (what must not overlap says so itself, Phase.alone); interrupt: the running one is aborted."""


def interruption(running: str, new: str, *, same_host: bool) -> Interruption:
    """What becomes of an operation of kind `new` while one of kind `running` runs; what is not listed is queued."""
    on_same, on_others = INTERRUPTIONS.get((running, new), ("queue", "queue"))
    return on_same if same_host else on_others


def kinds() -> dict[str, Kind]:
    """All kinds of operations by name."""
    from kubefort_coordinator.operations import (
        bootstrap,
        convert,
        join,
        nodes,
        reset,
        upgrade,
        vip_move,
        vip_rotate_key,
    )

    modules = (bootstrap, join, reset, convert, upgrade, vip_move, vip_rotate_key)
    found = (*(module.KIND for module in modules), nodes.CORDON, nodes.DRAIN, nodes.UNCORDON)
    return {kind.name: kind for kind in found}


def arguments_of(kind: Kind, raw: dict[str, object]) -> Document:
    """The arguments of a journalled operation."""
    import msgspec

    result: Document = msgspec.convert(raw, kind.arguments)
    return result
