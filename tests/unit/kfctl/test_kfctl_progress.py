from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from kfctl.progress import Json, Lines, demand, follow
from kubefort.errors import KubefortError, Refused, Unavailable
from kubefort.model.operation import OperationState, PhaseState

from tests.unit.kfctl.conftest import json_lines
from tests.unit.kfctl.fakes import operation


class Notes:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        self.states: list[OperationState] = []
        self.notes: list[str] = []

    def state(self, operation: OperationState) -> None:
        self.states.append(operation)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def result(self, text: str, **values: object) -> None:
        self.notes.append(text)

    def close(self) -> None:
        pass


def streams(*each: list[OperationState | Exception]) -> Callable[[], AsyncIterator[OperationState]]:
    """Opened again and again, the first stream comes first."""
    left = iter(each)

    async def open_one() -> AsyncIterator[OperationState]:
        for item in next(left):
            if isinstance(item, Exception):
                raise item
            yield item

    return open_one


async def test_a_stream_that_breaks_is_opened_again_and_said_once() -> None:
    gone = Unavailable("the coordinator does not answer")
    report = Notes()
    last = await follow(streams([operation(), gone], [gone], [gone], [], [operation("succeeded")]), report, 60)
    assert last.status == "succeeded"
    assert report.notes == ["the coordinator does not answer; trying again"]
    assert [state.status for state in report.states] == ["running", "succeeded"]


async def test_what_is_not_unavailable_ends_the_following() -> None:
    with pytest.raises(Refused, match="revoked"):
        await follow(streams([operation(), Refused("revoked")]), Notes(), 60)


async def test_a_time_out_names_what_was_waited_for() -> None:
    with pytest.raises(KubefortError) as caught:
        await follow(streams([operation()], *[[] for _ in range(1000)]), Notes(), 0.05)
    assert caught.value.message == "Join w1 did not end within 0 s; Prepare w1: waiting for w1 to import images"
    assert "kfctl operation watch op-1" in caught.value.hint


async def test_a_time_out_before_the_first_state_names_the_beginning() -> None:
    with pytest.raises(KubefortError, match="still waiting for the host's turn"):
        await follow(streams(*[[] for _ in range(1000)]), Notes(), 0.05, "the host's turn")


def test_lines_tell_each_change_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "12:00:00")
    lines = Lines()
    pending = operation(phases=(PhaseState("check", "Check w1"), PhaseState("prepare", "Prepare w1")))
    started = operation(phases=(PhaseState("check", "Check w1", "running", started=1.0), pending.phases[1]))
    for state in (pending, started, started, operation(), operation()):
        lines.state(state)
    assert capsys.readouterr().out.splitlines() == [
        "12:00:00 Check w1 ... started",
        "12:00:00 Check w1 ... done (2 s)",
        "12:00:00 Prepare w1 ... waiting for w1 to import images",
    ]


def test_lines_tell_phases_of_one_name_apart(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    twice = (PhaseState("objects", "Write", "done", started=1.0, ended=2.0), PhaseState("objects", "Write again"))
    for _ in range(2):
        lines.state(operation(phases=twice))
    assert [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()] == ["Write ... done (1 s)"]


def test_json_has_one_object_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    report = Json()
    report.state(operation())
    report.note("hello")
    report.result("text for people", host="w1")
    first, second, third = json_lines(capsys.readouterr().out)
    assert first["type"] == "operation"
    assert second == {"type": "note", "message": "hello"}
    assert third == {"type": "result", "host": "w1"}


def test_a_table_shows_what_is_waited_for() -> None:
    from kfctl.live import Live
    from rich.console import Console

    live = Live()
    live._operation = operation()
    console = Console(width=120, record=True, file=None, force_terminal=False, quiet=False)
    with console.capture() as captured:
        console.print(live)
    text = captured.get()
    assert "Join w1 (op-1)" in text
    assert "Prepare w1" in text
    assert "waiting for w1 to import images" in text


def test_success_demands_nothing_and_an_abort_is_an_error() -> None:
    demand(operation("succeeded"))
    with pytest.raises(KubefortError, match="the operation was aborted"):
        demand(operation("aborted"))
