"""The one runner: begins operations, executes their phases one after another, journals, resumes, aborts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec
from kubefort import log
from kubefort.document import Document, encode
from kubefort.errors import InvalidInput, KubefortError, Refused, Unavailable
from kubefort.model.operation import OperationState, PhaseState
from kubefort.waiting import within

from kubefort_coordinator import memory
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind, arguments_of, interruption
from kubefort_coordinator.phases import Done, Outcome, Phase, Wait
from kubefort_coordinator.records import OperationRecord

LOG = log.get("operations")

ENDED_KEPT = 100

_RESUMABLE = ("failed", "aborted", "paused")


class Runner:
    """Operations run in the order of their beginning, beside each other where INTERRUPTIONS says so; a queued one says
    whom it waits for.

    Journalled is each phase's beginning and end. What a phase waits for is kept in memory only.
    """

    def __init__(
        self, coordinator: Coordinator, kinds: Mapping[str, Kind], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._coordinator = coordinator
        self._records = coordinator.records
        self._kinds = kinds
        self._monotonic = monotonic
        self._waiting: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._alone = asyncio.Lock()

    # What operators ask for

    def begin(
        self, kind_name: str, arguments: Document, *, dry_run: bool = False, anew: bool = False
    ) -> OperationState:
        """Journal a new operation; it runs when its turn comes. With `dry_run`, nothing is changed.

        Where the same one is there already and did not succeed, that one is taken up again, or ended in favour of the
        new one where it shall begin `anew`. Raises Refused.
        """
        kind = self._kind(kind_name)
        raw = msgspec.json.decode(encode(arguments), type=dict[str, object])
        same = next((each for each in reversed(self._records.operations()) if each.arguments == raw), None)
        if same is not None and same.state.kind == kind_name and anew:
            self.abort(same.state.id)
        elif same is not None and same.state.kind == kind_name and not dry_run:
            if same.state.status == "running":
                return self.state(same.state.id)
            if same.state.status in _RESUMABLE and self._unfinished(same):
                return self.resume(same.state.id)
        kind.check(arguments, self._coordinator)
        hosts = kind.hosts(arguments)
        interrupted = self._make_way(kind_name, hosts)
        number = max((_number(each.state.id) for each in self._records.operations()), default=0) + 1
        state = OperationState(
            id=f"{kind_name}-{number}",
            kind=kind_name,
            title=kind.title(arguments),
            status="running",
            phases=(),
            created=self._coordinator.clock(),
            warnings=kind.warnings(arguments, self._coordinator),
        )
        if dry_run:
            return msgspec.structs.replace(state, phases=self._journal(kind.phases(arguments, self._coordinator)))
        for id in interrupted:
            self.abort(id)
        with self._records.transaction():
            kind.begin(arguments, self._coordinator)
            phases = kind.phases(arguments, self._coordinator)
            state = msgspec.structs.replace(state, phases=self._journal(phases))
            self._records.put_operation(OperationRecord(state, raw, hosts))
            self._prune()
        return self.state(state.id)

    def resume(self, id: str, ignored_checks: tuple[str, ...] = ()) -> OperationState:
        """Take a failed or aborted operation up where it stopped, with other checks ignored if any are named.

        Raises Refused where it has nothing left to do.
        """
        record = self._records.need_operation(id)
        if record.state.status == "running":
            return self.state(id)
        if not self._unfinished(record):
            raise Refused(f"{id} has {record.state.status} and has nothing left to do")
        phases = tuple(
            phase if phase.status == "done" else msgspec.structs.replace(phase, status="pending", ended=0.0)
            for phase in record.state.phases
        )
        with self._records.transaction():
            record = msgspec.structs.replace(record, pausing=False)
            self._put(record, status="running", error="", hint="", ended=0.0, phases=phases)
            for host in record.hosts if ignored_checks else ():
                if self._records.host(host) is not None:
                    self._coordinator.update_host(host, ignored_checks=ignored_checks)
            # A new generation makes agents look (and check) again.
            self._coordinator.publish(force=record.hosts)
        return self.state(id)

    def abort(self, id: str) -> OperationState:
        """End a running operation between two steps of it; everything it did stays, and it may be resumed."""
        record = self._records.need_operation(id)
        if record.state.status == "running":
            self._end(record, status="aborted", hint=_resume_hint(id))
            if id in self._tasks:
                self._tasks[id].cancel()
        return self.state(id)

    def pause(self, id: str) -> OperationState:
        """End a running operation when the phase that runs now has ended, and no sooner; it may be resumed."""
        record = self._records.need_operation(id)
        if record.state.status != "running":
            raise Refused(f"{id} does not run: it has {record.state.status}", "see `kfctl operation list`")
        if not any(phase.status == "running" for phase in record.state.phases):
            self._end(record, status="paused", hint=_resume_hint(id))
        elif not record.pausing:
            self._records.put_operation(msgspec.structs.replace(record, pausing=True))
        return self.state(id)

    def state(self, id: str) -> OperationState:
        """The journalled state with what it waits for."""
        return self._with_waiting(self._records.need_operation(id).state)

    def states(self) -> list[OperationState]:
        return [self._with_waiting(record.state) for record in self._records.operations()]

    async def watch(self, id: str) -> AsyncIterator[OperationState]:
        """States as they change, the last one when the operation has ended."""
        last: OperationState | None = None
        while True:
            seen = self._coordinator.changed.count
            state = self.state(id)
            if state != last:
                yield state
                last = state
            if state.status != "running":
                return
            await self._coordinator.changed.wait(seen)

    # The loop

    async def run(self) -> None:
        """Execute operations until cancelled; those that a crash left running first, because they are the oldest."""
        changed = self._coordinator.changed
        try:
            while True:
                seen = changed.count
                self._collect()
                for record in self._running():
                    if record.state.id not in self._tasks and self._ahead(record) is None:
                        task = asyncio.create_task(self._execute(record.state.id), name=record.state.id)
                        task.add_done_callback(lambda _: changed.notify())
                        self._tasks[record.state.id] = task
                await changed.wait(seen)
        finally:
            for task in self._tasks.values():
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks.values())

    def _collect(self) -> None:
        """Forget tasks that ended; raises what ended one that could not even journal its failure."""
        for id, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[id]
                self._waiting.pop(id, None)
                with contextlib.suppress(asyncio.CancelledError):
                    task.result()
                memory.trim()

    def _ahead(self, record: OperationRecord) -> OperationState | None:
        """The operation that must end before this one may begin."""
        for other in self._running():
            if other.state.id == record.state.id:
                return None
            same_host = bool(set(other.hosts) & set(record.hosts))
            if interruption(other.state.kind, record.state.kind, same_host=same_host) != "beside":
                return other.state
        return None

    def _make_way(self, kind_name: str, hosts: tuple[str, ...]) -> list[str]:
        """The running operations that a new one interrupts; raises Refused where one keeps it out."""
        interrupted = []
        for running in self._running():
            same_host = bool(set(running.hosts) & set(hosts))
            what = interruption(running.state.kind, kind_name, same_host=same_host)
            if what == "refuse":
                raise Refused(
                    f"{running.state.title} is running ({running.state.id})",
                    f"wait for it, or end it with `kfctl operation abort {running.state.id}`",
                )
            if what == "interrupt":
                interrupted.append(running.state.id)
        return interrupted

    async def _execute(self, id: str) -> None:
        record = self._records.need_operation(id)
        kind = self._kind(record.state.kind)
        try:
            phases = kind.phases(arguments_of(kind, record.arguments), self._coordinator)
            if [(each.name, each.host) for each in phases] != [(each.name, each.host) for each in record.state.phases]:
                raise KubefortError(f"{id} was begun by another version of Kubefort", f"`kfctl operation abort {id}`")
            for index, phase in enumerate(phases):
                if self._records.need_operation(id).pausing:
                    self._end(self._records.need_operation(id), status="paused", hint=_resume_hint(id))
                    return
                if self._records.need_operation(id).state.phases[index].status != "done":
                    self._phase(id, index, status="running", started=self._coordinator.clock())
                    LOG.info(phase.title, operation=id, phase=phase.name)
                    await self._until_done(id, phase)
                    self._phase(id, index, status="done", ended=self._coordinator.clock())
        except KubefortError as error:
            self._fail(id, error)
            return
        except Exception as error:
            LOG.exception("a phase raised what it should not", operation=id)
            self._fail(id, KubefortError(f"internal error: {error!r}", "see `journalctl -u kubefort-coordinator`"))
            return
        self._end(self._records.need_operation(id), status="succeeded")

    async def _until_done(self, id: str, phase: Phase) -> None:
        changed = self._coordinator.changed
        end = self._monotonic() + phase.deadline
        while True:
            seen = changed.count
            outcome = await self._once(phase, end)
            if isinstance(outcome, Done):
                self._waiting.pop(id, None)
                return
            if self._waiting.get(id) != outcome.what:
                self._waiting[id] = outcome.what
                changed.notify()
                seen += 1
            left = end - self._monotonic()
            if left <= 0:
                raise KubefortError(
                    f"{phase.title}: not done after {phase.deadline:.0f} s, still waiting for {outcome.what}"
                )
            await changed.wait(seen, min(left, outcome.retry_after))

    async def _once(self, phase: Phase, end: float) -> Outcome:
        try:
            async with self._alone if phase.alone else contextlib.nullcontext():
                return await within(max(1.0, end - self._monotonic()), phase.run(self._coordinator))
        except Unavailable as error:
            return Wait(error.message, 0.5)
        except TimeoutError:
            return Wait("an answer", 0.5)

    # The journal

    def _kind(self, name: str) -> Kind:
        if name not in self._kinds:
            raise InvalidInput(f"there is no operation {name!r}", f"there are {', '.join(sorted(self._kinds))}")
        return self._kinds[name]

    def _running(self) -> list[OperationRecord]:
        return [record for record in self._records.operations() if record.state.status == "running"]

    def _unfinished(self, record: OperationRecord) -> bool:
        """Whether resuming makes sense: phases are left, and its hosts were not all forgotten since."""
        if all(phase.status == "done" for phase in record.state.phases):
            return False
        newer = self._records.operations()[::-1]
        later = [each for each in newer if each.state.created > record.state.created and each.state.kind != "join"]
        return not any(set(each.hosts) & set(record.hosts) for each in later)

    def _journal(self, phases: tuple[Phase, ...]) -> tuple[PhaseState, ...]:
        return tuple(PhaseState(name=phase.name, title=phase.title, host=phase.host) for phase in phases)

    def _prune(self) -> None:
        """Forget what ended long ago, but not what says how the cluster and each host came to be."""
        operations = self._records.operations()
        ended = [each.state.id for each in operations if each.state.status != "running"]
        origins = [each.state.id for each in operations if each.state.kind == "bootstrap"][-1:]
        newest = [self._records.operation_of(host.name) for host in self._records.hosts()]
        kept = {*origins, *(each.state.id for each in newest if each is not None)}
        for id in ended[:-ENDED_KEPT]:
            if id not in kept:
                self._records.delete_operation(id)

    def _put(self, record: OperationRecord, **changes: object) -> None:
        state = msgspec.structs.replace(record.state, **changes)
        self._records.put_operation(msgspec.structs.replace(record, state=state))

    def _end(self, record: OperationRecord, **changes: object) -> None:
        kind = self._kinds.get(record.state.kind)
        with self._records.transaction():
            self._put(record, ended=self._coordinator.clock(), **changes)
            if kind is not None:
                with contextlib.suppress(msgspec.ValidationError):
                    kind.ended(arguments_of(kind, record.arguments), self._coordinator)

    def _phase(self, id: str, index: int, **changes: object) -> None:
        record = self._records.need_operation(id)
        phases = list(record.state.phases)
        phases[index] = msgspec.structs.replace(phases[index], **changes)
        self._put(record, phases=tuple(phases))

    def _fail(self, id: str, error: KubefortError) -> None:
        record = self._records.need_operation(id)
        now = self._coordinator.clock()
        phases = tuple(
            msgspec.structs.replace(phase, status="failed", ended=now) if phase.status == "running" else phase
            for phase in record.state.phases
        )
        hint = error.hint or _resume_hint(id)
        self._end(record, status="failed", phases=phases, error=error.message, hint=hint)
        self._coordinator.event("", "OperationFailed", f"{record.state.title}: {error.message}", warning=True)

    def _with_waiting(self, state: OperationState) -> OperationState:
        if state.status != "running":
            return state
        index = next((i for i, phase in enumerate(state.phases) if phase.status != "done"), None)
        if index is None:
            return state
        waiting = self._waiting.get(state.id, "")
        if not waiting and (ahead := self._ahead(self._records.need_operation(state.id))):
            waiting = f"{ahead.title} ({ahead.id}) to end"
        phases = list(state.phases)
        phases[index] = msgspec.structs.replace(phases[index], waiting_for=waiting)
        return msgspec.structs.replace(state, phases=tuple(phases))


def _number(id: str) -> int:
    return int(id.rpartition("-")[2])


def _resume_hint(id: str) -> str:
    return f"go on with `kfctl operation resume {id}`"
