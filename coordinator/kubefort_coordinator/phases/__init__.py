"""What an operation is made of: phases, each one step with a title and a `run` that returns and never loops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from kubefort_coordinator.coordinator import Coordinator


@dataclass(frozen=True)
class Done:
    """The phase's goal is reached."""


@dataclass(frozen=True)
class Wait:
    """Run again when something changed, or after `retry_after` seconds. `what` completes the words "waiting for"."""

    what: str
    retry_after: float = 5.0


Outcome = Done | Wait
DONE = Done()


@dataclass(frozen=True)
class Phase(ABC):
    """One step. `host`: the one it is about, "" for several. `deadline`: seconds it may take in one go. `alone`: never
    run at the same moment as another such phase.

    `run` may be called any number of times, also after a crash in its middle: it looks what is so already. It raises
    KubefortError where going on makes no sense; Unavailable only means: try again.
    """

    host: str = ""
    name: ClassVar[str]
    deadline: ClassVar[float] = 900.0
    alone: ClassVar[bool] = False

    @property
    @abstractmethod
    def title(self) -> str:
        """What happens, as a line of a list."""

    @abstractmethod
    async def run(self, coordinator: Coordinator) -> Outcome:
        """Do what can be done now."""


def wait_for_all(sentences: list[str], retry_after: float = 5.0) -> Outcome:
    """Done when no sentence is left of those that say what is waited for."""
    left = [sentence for sentence in sentences if sentence]
    if not left:
        return DONE
    more = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
    return Wait(left[0] + more, retry_after)
