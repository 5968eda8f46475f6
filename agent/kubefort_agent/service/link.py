"""The stream to the coordinator: status and events up, specs down. Dialled again for ever."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kubefort import __version__, log
from kubefort.document import decode, encode
from kubefort.errors import InvalidInput, KubefortError, Refused
from kubefort.model.spec import NodeSpec
from kubefort.v1 import fleet_pb2
from kubefort.waiting import backoff, within

from kubefort_agent.host.digest import fingerprint
from kubefort_agent.reconcile.report import Report

if TYPE_CHECKING:
    from kubefort.v1.fleet_pb2_grpc import FleetServiceAsyncStub

PROTOCOL = 1
STATUS_EVERY = 10.0
STEADY = 30.0
"""A stream that lived this long (seconds) was a good one: the next pause is a short one again."""

_log = log.get("link")

Request = fleet_pb2.ConnectRequest


class Link:
    """Keeps one stream open to the first coordinator that answers. `stub` is the service while it is.

    `refused` is called where a coordinator does not want the identity that is on disk.
    """

    def __init__(
        self,
        addresses: Callable[[], tuple[str, ...]],
        identity: Path,
        report: Report,
        accept: Callable[[NodeSpec], None],
        generation: Callable[[], int],
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._addresses, self._identity, self._report = addresses, identity, report
        self._accept, self._generation, self._refused = accept, generation, refused
        self._stub: FleetServiceAsyncStub | None = None

    def stub(self) -> FleetServiceAsyncStub | None:
        return self._stub

    async def run(self) -> None:
        """For ever."""
        pauses = backoff(0.5, 10.0)
        while True:
            began = time.monotonic()
            await self._round()
            if time.monotonic() - began > STEADY:
                pauses = backoff(0.5, 10.0)
            await asyncio.sleep(next(pauses))

    async def _round(self) -> None:
        """Every address in turn."""
        try:
            addresses = self._addresses()
        except (KubefortError, OSError) as error:
            _log.error("no address of a coordinator", error=str(error))
            return
        for address in addresses:
            shown = fingerprint(self._identity / "tls.crt")
            try:
                await self._stream(address)
                _log.info("the stream to the coordinator ended", address=address)
            except KubefortError as error:
                _log.warning("no stream to the coordinator", address=address, error=error.message)
                if isinstance(error, Refused) and fingerprint(self._identity / "tls.crt") == shown:
                    self._refused()
            except Exception:  # noqa: BLE001 - the host must stay looked after
                _log.error("a fault of kubefort-agent itself", trace=traceback.format_exc())

    async def _stream(self, address: str) -> None:
        """One stream, until it ends, fails, or our identity on disk is another one."""
        from kubefort.identity import Identity, channel
        from kubefort.v1.fleet_pb2_grpc import FleetServiceStub

        from kubefort_agent.service.supplies import translated

        print_ = fingerprint(self._identity / "tls.crt")
        async with channel(address, Identity.load(self._identity)) as open_channel:
            stub: FleetServiceAsyncStub = FleetServiceStub(open_channel)
            with translated():
                call = stub.Connect(self._requests(print_))
                try:
                    async for answer in call:
                        if self._stub is None:
                            _log.info("connected", address=address)
                            self._stub = stub
                        self._take(answer.spec)
                finally:
                    self._stub = None
                    call.cancel()

    def _take(self, document: bytes) -> None:
        try:
            self._accept(decode(document, NodeSpec, "the spec from the coordinator"))
        except (InvalidInput, Refused) as error:
            _log.error("spec refused", error=str(error))
            self._report.event("SpecRefused", str(error), kind="Warning")

    async def _requests(self, identity: object) -> AsyncIterator[Request]:
        """What we say: hello, then the status whenever it changes and every ten seconds, and events."""
        hello = fleet_pb2.Hello(version=__version__, protocol=PROTOCOL, generation=self._generation(), time=time.time())
        yield Request(hello=hello)
        report = self._report
        while fingerprint(self._identity / "tls.crt") == identity:
            report.changed.clear()
            yield Request(status=encode(report.status()))
            while report.events:
                event = report.events[0]
                yield Request(event=encode(event))
                if report.events and report.events[0] is event:
                    report.events.popleft()
            with contextlib.suppress(TimeoutError):
                await within(STATUS_EVERY, report.changed.wait())
        _log.info("the identity changed: connecting anew")
