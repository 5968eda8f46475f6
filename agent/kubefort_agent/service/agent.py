"""The agent put together."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from kubefort import log, membership, paths
from kubefort.errors import Unavailable
from kubefort.notify import notify, watchdog

from kubefort_agent.host import Host
from kubefort_agent.reconcile.ledger import FILE as LEDGER
from kubefort_agent.reconcile.ledger import Ledger
from kubefort_agent.reconcile.loop import Desired, Preflight, Reconciler
from kubefort_agent.reconcile.report import Report
from kubefort_agent.reconcile.state import SpecFile
from kubefort_agent.reconcile.vipwatch import VipWatch
from kubefort_agent.service import config
from kubefort_agent.service.identity import common_name
from kubefort_agent.service.link import Link
from kubefort_agent.service.renewal import keep_valid
from kubefort_agent.service.supplies import RemoteSupplies

_log = log.get("agent")


def below(root: Path, path: Path) -> Path:
    return root / str(path).lstrip("/")


class Agent:
    """Everything of one host; `root` stands before every path."""

    def __init__(self, desired: Desired, preflight: Preflight, root: Path = Path("/")) -> None:
        self._identity = below(root, paths.IDENTITY)
        certificate = self._identity / "tls.crt"
        if not certificate.exists():
            raise Unavailable("this host has not joined a fleet", "Run `kfctl join` with a token of your coordinator.")
        self.name = common_name(certificate)
        self._config = below(root, paths.AGENT_CONFIG)
        self._specs = SpecFile(below(root, paths.SPEC))
        self._report = Report(self.name, root)
        self._link = Link(
            lambda: config.load(self._config).coordinator,
            self._identity,
            self._report,
            lambda spec: self._reconciler.accept(spec, self.name),
            lambda: self._specs.generation,
            self._refused,
        )
        self._supplies = RemoteSupplies(self._link.stub, below(root, paths.ARTIFACTS))
        host = Host(root, self._supplies)
        self._root, self._ledger, self._over = root, Ledger(below(root, LEDGER)), asyncio.Event()
        self._reconciler = Reconciler(host, self._specs, self._ledger, desired, preflight, self._report)

    def _refused(self) -> None:
        """The coordinator knows this host no more: after a reset, nothing of the membership stays."""
        spec = self._specs.spec
        if spec is not None and spec.stage == "absent" and len(self._ledger) == 0:
            _log.info("this host was removed from its fleet; it may join again", host=self.name)
            membership.forget(self._root)
            self._over.set()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT, or until the host was removed from its fleet. Components go on running."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._over.set)
        tasks = [
            asyncio.ensure_future(work)
            for work in (
                self._reconciler.run(),
                self._reconciler.health.run(),
                VipWatch(self._report, lambda: self._specs.spec).run(),
                self._link.run(),
                keep_valid(self._identity, self._supplies),
                watchdog(self._report.sentence),
            )
        ]
        notify("READY=1")
        _log.info("ready", host=self.name, generation=self._specs.generation)
        stopped = asyncio.ensure_future(self._over.wait())
        await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        failed = [task for task in tasks if task.done()]
        notify("STOPPING=1")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=5.0)
        self._reconciler.health.close()
        for task in failed:
            task.result()
