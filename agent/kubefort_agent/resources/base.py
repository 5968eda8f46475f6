"""What a resource is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from kubefort_agent.host import Host
    from kubefort_agent.resources.undo import Undo


class Resource(Protocol):
    """One thing of a host in its expected state. Frozen dataclasses; equal arguments mean equal expectations.

        diff ──empty──▶ in sync
          └──lines────▶ undo (once, kept on disk before the first apply) ─▶ apply ─▶ diff again

    key    names it on its host, unique, the same in every generation
    every  seconds between two looks for drift: small where a look costs little

    Two attributes that some have more:

    replaces  keys of resources in whose place this one comes: they are undone right before it is applied
    late      when it is not wanted any more, it is undone only after everything wanted is there
    """

    every: ClassVar[float]

    @property
    def key(self) -> str: ...

    async def diff(self, host: Host) -> tuple[str, ...]:
        """How the host differs, in lines a person can read; empty: in sync. Changes nothing."""

    async def apply(self, host: Host) -> None:
        """Put it right. May be cut off anywhere and run again. Raises KubefortError or OSError."""

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        """What takes it away again and brings back what was there; asked before the first apply."""
