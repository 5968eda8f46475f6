"""The runner with phases made for it: order, waiting, failing, resuming, aborting."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from kubefort.document import Document
from kubefort.errors import KubefortError, Refused, Unavailable
from kubefort.model.operation import OperationState
from kubefort.model.status import Facts
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind, interruption
from kubefort_coordinator.operations.runner import Runner
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait
from kubefort_coordinator.records import HostRecord


class Arguments(Document, frozen=True):
    hosts: tuple[str, ...] = ("a",)


Step = Callable[[], Outcome]


class Bench:
    """A runner whose phases do what a test puts into `steps`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: list[str] = []
        self.steps: dict[str, Step] = {}
        self.deadline = 900.0
        self.now = 0.0
        self.task: asyncio.Task[None] | None = None
        self.open()

    def open(self) -> None:
        self.coordinator = Coordinator(self.folder)
        bench = self

        @dataclass(frozen=True)
        class Fake(Phase):
            name: ClassVar[str] = "fake"

            @property
            def title(self) -> str:
                return f"Do {self.host}"

            async def run(self, coordinator: Coordinator) -> Outcome:
                bench.log.append(self.host)
                return bench.steps.get(self.host, lambda: DONE)()

        Fake.deadline = self.deadline
        table = {
            name: Kind(
                name,
                Arguments,
                lambda arguments: f"Try {', '.join(arguments.hosts)}",
                lambda arguments: arguments.hosts,
                lambda arguments, _: tuple(Fake(host) for host in arguments.hosts),
            )
            for name in ("bootstrap", "join", "reset")
        }
        self.runner = Runner(self.coordinator, table, lambda: self.now)
        self.task = asyncio.create_task(self.runner.run())

    async def close(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.wait({self.task})
        self.coordinator.close()

    async def end(self, id: str) -> OperationState:
        return [state async for state in self.runner.watch(id)][-1]

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            seen = self.coordinator.changed.count
            await self.coordinator.changed.wait(seen, 0.05)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    result = Bench(tmp_path)
    yield result
    await result.close()


async def test_phases_run_in_order_and_each_is_journalled(bench: Bench) -> None:
    state = await bench.end(bench.runner.begin("join", Arguments(("a", "b"))).id)
    assert state.status == "succeeded"
    assert bench.log == ["a", "b"]
    assert [phase.status for phase in state.phases] == ["done", "done"]
    assert all(phase.started and phase.ended for phase in state.phases)


async def test_a_waiting_phase_says_for_what_and_is_run_again_on_a_change(bench: Bench) -> None:
    answers: list[Outcome] = [DONE, Wait("the moon", 3600)]
    bench.steps["a"] = lambda: answers.pop()
    id = bench.runner.begin("join", Arguments()).id
    await bench.until(lambda: bench.runner.state(id).phases[0].waiting_for == "the moon")
    bench.coordinator.changed.notify()
    assert (await bench.end(id)).status == "succeeded"


async def test_what_ended_long_ago_is_forgotten_but_not_how_the_cluster_and_its_hosts_came_to_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubefort_coordinator.operations.runner.ENDED_KEPT", 2)
    facts = Facts("old", "machine", "192.0.2.1")
    bench.coordinator.records.put_host(HostRecord("old", "worker", "192.0.2.1", facts, 0))
    for kind, host in (("bootstrap", "first"), ("join", "old"), ("join", "a"), ("join", "b"), ("join", "c")):
        assert (await bench.end(bench.runner.begin(kind, Arguments((host,))).id)).status == "succeeded"
    ids = [bench.runner.begin("join", Arguments((host,))).id for host in ("d", "e")]
    assert ids == ["join-6", "join-7"]
    left = [each.state.id for each in bench.coordinator.records.operations()]
    assert left == ["bootstrap-1", "join-2", "join-4", "join-5", "join-6", "join-7"]


async def test_somebody_who_does_not_answer_is_waited_for(bench: Bench) -> None:
    tries: list[int] = []

    def step() -> Outcome:
        tries.append(1)
        if len(tries) < 2:
            raise Unavailable("etcd does not answer")
        return DONE

    bench.steps["a"] = step
    assert (await bench.end(bench.runner.begin("join", Arguments()).id)).status == "succeeded"
    assert len(tries) == 2


async def test_a_deadline_names_what_was_waited_for(bench: Bench) -> None:
    def step() -> Outcome:
        bench.now += 901
        return Wait("the moon", 0.01)

    bench.steps["a"] = step
    state = await bench.end(bench.runner.begin("join", Arguments()).id)
    assert state.status == "failed"
    assert "still waiting for the moon" in state.error
    assert f"kfctl operation resume {state.id}" in state.hint


@pytest.mark.parametrize("error", [KubefortError("it is broken", "mend it"), ZeroDivisionError("oops")])
async def test_a_failed_operation_says_where_and_why_and_can_be_resumed(bench: Bench, error: Exception) -> None:
    def step() -> Outcome:
        raise error

    bench.steps["b"] = step
    id = bench.runner.begin("join", Arguments(("a", "b", "c"))).id
    state = await bench.end(id)
    assert [phase.status for phase in state.phases] == ["done", "failed", "pending"]
    assert str(error.args[0]) in state.error
    assert state.hint
    del bench.steps["b"]
    assert bench.runner.resume(id).status == "running"
    assert (await bench.end(id)).status == "succeeded"
    assert bench.log == ["a", "b", "b", "c"]


async def test_the_same_again_takes_up_what_failed(bench: Bench) -> None:
    def step() -> Outcome:
        raise KubefortError("no")

    bench.steps["a"] = step
    id = bench.runner.begin("join", Arguments()).id
    assert bench.runner.begin("join", Arguments()).id == id
    await bench.end(id)
    bench.steps.clear()
    assert bench.runner.begin("join", Arguments()).id == id
    assert (await bench.end(id)).status == "succeeded"


async def test_an_operation_waits_for_its_turn_and_says_for_whom(bench: Bench) -> None:
    bench.steps["a"] = lambda: Wait("the moon", 3600)
    first = bench.runner.begin("bootstrap", Arguments(("a",))).id
    second = bench.runner.begin("join", Arguments(("b",))).id
    await bench.until(lambda: bool(bench.runner.state(first).phases[0].waiting_for))
    assert bench.runner.state(second).phases[0].waiting_for == f"Try a ({first}) to end"
    assert bench.log == ["a"]
    bench.steps.clear()
    bench.coordinator.changed.notify()
    assert (await bench.end(second)).status == "succeeded"
    assert bench.log == ["a", "a", "b"]


async def test_an_aborted_operation_ends_and_may_go_on_later(bench: Bench) -> None:
    bench.steps["a"] = lambda: Wait("the moon", 3600)
    id = bench.runner.begin("join", Arguments()).id
    await bench.until(lambda: bench.log == ["a"])
    assert bench.runner.abort(id).status == "aborted"
    assert (await bench.end(bench.runner.begin("reset", Arguments(("b",))).id)).status == "succeeded"
    bench.steps.clear()
    other = bench.runner.begin("join", Arguments(("c",))).id
    assert (await bench.end(other)).status == "succeeded"
    bench.runner.resume(id)
    assert (await bench.end(id)).status == "succeeded"


async def test_after_a_crash_the_journal_is_enough(bench: Bench) -> None:
    bench.steps["b"] = lambda: Wait("the moon", 3600)
    id = bench.runner.begin("join", Arguments(("a", "b", "c"))).id
    await bench.until(lambda: bench.log == ["a", "b"])
    await bench.close()
    bench.steps.clear()
    bench.open()
    state = await bench.end(id)
    assert state.status == "succeeded"
    assert bench.log == ["a", "b", "b", "c"]


async def test_a_bootstrap_keeps_a_reset_out(bench: Bench) -> None:
    bench.steps["a"] = lambda: Wait("the moon", 3600)
    id = bench.runner.begin("bootstrap", Arguments()).id
    with pytest.raises(Refused, match="is running") as caught:
        bench.runner.begin("reset", Arguments())
    assert f"kfctl operation abort {id}" in caught.value.hint


async def test_a_dry_run_journals_nothing(bench: Bench) -> None:
    state = bench.runner.begin("join", Arguments(("a", "b")), dry_run=True)
    assert [phase.title for phase in state.phases] == ["Do a", "Do b"]
    assert bench.coordinator.records.operations() == []


@pytest.mark.parametrize(
    ("running", "new", "expected"),
    [
        ("bootstrap", "bootstrap", ("refuse", "refuse")),
        ("bootstrap", "join", ("queue", "queue")),
        ("join", "join", ("queue", "beside")),
        ("join", "reset", ("interrupt", "beside")),
        ("something", "new", ("queue", "queue")),
    ],
)
def test_the_table_of_interruptions(running: str, new: str, expected: tuple[str, str]) -> None:
    assert tuple(interruption(running, new, same_host=same) for same in (True, False)) == expected


async def test_joins_of_different_hosts_run_beside_each_other(bench: Bench) -> None:
    bench.steps["a"] = lambda: Wait("the moon", 3600)
    first = bench.runner.begin("join", Arguments(("a",))).id
    assert (await bench.end(bench.runner.begin("join", Arguments(("b",))).id)).status == "succeeded"
    assert bench.runner.state(first).status == "running"


async def test_a_reset_ends_the_join_of_its_host(bench: Bench) -> None:
    bench.steps["a"] = lambda: Wait("the moon", 3600) if bench.log == ["a"] else DONE
    join = bench.runner.begin("join", Arguments(("a",))).id
    await bench.until(lambda: bench.log == ["a"])
    reset = bench.runner.begin("reset", Arguments(("a",))).id
    assert bench.runner.state(join).status == "aborted"
    assert (await bench.end(reset)).status == "succeeded"


async def test_phases_that_must_be_alone_never_overlap(bench: Bench) -> None:
    inside: list[str] = []
    overlaps: list[str] = []

    @dataclass(frozen=True)
    class Alone(Phase):
        name: ClassVar[str] = "alone"
        alone: ClassVar[bool] = True

        @property
        def title(self) -> str:
            return self.host

        async def run(self, coordinator: Coordinator) -> Outcome:
            overlaps.extend(inside)
            inside.append(self.host)
            for _ in range(5):
                await asyncio.sleep(0)
            inside.remove(self.host)
            return DONE

    kind = bench.runner._kinds["join"]
    phases = lambda arguments, _: tuple(Alone(host) for host in arguments.hosts)  # noqa: E731
    bench.runner._kinds["join"] = dataclasses.replace(kind, phases=phases)  # type: ignore[index]
    ids = [bench.runner.begin("join", Arguments((host, f"{host}-2"))).id for host in "abc"]
    assert [(await bench.end(id)).status for id in ids] == ["succeeded"] * 3
    assert overlaps == []


async def test_pause_lets_the_phase_end_and_resume_goes_on(bench: Bench) -> None:
    bench.steps["a"] = lambda: Wait("a")
    id = bench.runner.begin("join", Arguments(("a", "b"))).id
    await bench.until(lambda: bench.log[-1:] == ["a"])
    assert bench.runner.pause(id).status == "running"
    bench.steps.clear()
    bench.coordinator.changed.notify()
    state = await bench.end(id)
    assert (state.status, [phase.status for phase in state.phases]) == ("paused", ["done", "pending"])
    assert "b" not in bench.log
    bench.runner.resume(id)
    assert (await bench.end(id)).status == "succeeded"
    with pytest.raises(Refused, match="does not run"):
        bench.runner.pause(id)


async def test_a_queued_operation_is_paused_at_once(bench: Bench) -> None:
    bench.steps["a"] = lambda: Wait("a")
    bench.runner.begin("bootstrap", Arguments(("a",)))
    queued = bench.runner.begin("join", Arguments(("b",))).id
    assert bench.runner.pause(queued).status == "paused"
    assert bench.runner.begin("join", Arguments(("b",))).id == queued
