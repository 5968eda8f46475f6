"""One pass over a host's resources: remove what is no longer wanted, then look, apply and look again, in order."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kubefort import log
from kubefort.errors import KubefortError

from kubefort_agent.host import Host
from kubefort_agent.reconcile.ledger import Entry, Ledger
from kubefort_agent.resources import Binary, CertificateFiles, Image, Kubeconfig, Resource, Route
from kubefort_agent.resources.undo import RemoveImage, wipe_of

TOGETHER: tuple[tuple[type[object], ...], ...] = ((Image,), (Binary,), (Route,), (CertificateFiles, Kubeconfig))
"""Neighbours of one of these groups do not depend on each other: they are looked at and applied at the same time."""

HEAVY = (Image, Binary)
AT_ONCE = 2
"""How many heavy ones at a time."""

CLUSTER = "cluster"
"""The ledger's first entry, so undone last: what the cluster leaves on a host beside our resources."""

_log = log.get("converge")

Doing = Callable[[str], contextlib.AbstractAsyncContextManager[None]]
"""Is told in words what is being done, for as long as it is."""


def _unseen(what: str) -> contextlib.AbstractAsyncContextManager[None]:
    return contextlib.nullcontext()


@dataclass
class Outcome:
    """What a pass did and found.

    applied   (resource's key, the diff that was put right)
    pending   diffs that are left
    error     why the pass ended early, "" where it did not
    """

    applied: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def in_sync(self) -> bool:
        return not self.pending and not self.error


async def observe(host: Host, resources: Sequence[Resource], ledger: Ledger) -> Outcome:
    """All diffs, without changing anything; what would be removed is a line with a minus."""
    outcome = Outcome()
    wanted = {resource.key for resource in resources}
    outcome.pending += [f"- {entry.key}" for entry in ledger.newest_first() if entry.key not in {*wanted, CLUSTER}]
    for resource in resources:
        try:
            outcome.pending += await resource.diff(host)
        except (KubefortError, OSError) as error:
            outcome.pending.append(f"{resource.key}: {error}")
    return outcome


async def converge(
    host: Host, resources: Iterable[Resource], doing: Doing = _unseen, *, repair: bool = False
) -> Outcome:
    """Bring `resources` about, each `own`ed already. Ends at the first that fails: those after it depend on it.

    Not so in a `repair`, where all of them were there once: a certificate that nobody can renew now does not keep a
    route from coming back.
    """
    outcome = Outcome()
    for _, group in itertools.groupby(resources, key=_group):
        members = list(group)
        diffs: list[tuple[Resource, tuple[str, ...]]] = []
        looks = await asyncio.gather(*(resource.diff(host) for resource in members), return_exceptions=True)
        for resource, look in zip(members, looks, strict=True):
            if isinstance(look, (KubefortError, OSError)):
                _failed(outcome, resource, (), look)
            elif isinstance(look, BaseException):
                raise look
            elif look:
                diffs.append((resource, look))
        if outcome.error and not repair:
            return outcome
        gate = asyncio.Semaphore(AT_ONCE)
        results = await asyncio.gather(
            *(_apply(host, resource, gate, doing) for resource, _ in diffs), return_exceptions=True
        )
        for (resource, found), result in zip(diffs, results, strict=True):
            if isinstance(result, (KubefortError, OSError)):
                _failed(outcome, resource, found, result)
            elif isinstance(result, BaseException):
                raise result
            elif result:
                outcome.pending += result
            else:
                outcome.applied.append((resource.key, found))
        if outcome.error and not repair:
            return outcome
    return outcome


async def own(host: Host, resources: Sequence[Resource], ledger: Ledger) -> None:
    """Write down how to undo the resources that are new, before any of them is applied."""
    entries = [] if CLUSTER in ledger else [Entry(CLUSTER, (wipe_of(host),))]
    fresh = [resource for resource in resources if resource.key not in ledger]
    ledger.add([*entries, *[Entry(resource.key, await resource.undo(host)) for resource in fresh]])


async def remove_unwanted(host: Host, wanted: set[str], ledger: Ledger, *, images: bool) -> list[str]:
    """Undo what we made and nobody wants any more, the newest first; the keys.

    Images only where `images`: while what shall replace them is not there yet, something may start from them again.
    """
    removed: list[str] = []
    for entry in ledger.newest_first():
        only_image = bool(entry.undo) and all(isinstance(undo, RemoveImage) for undo in entry.undo)
        if entry.key in wanted or (only_image and not images):
            continue
        _log.info("removing", resource=entry.key)
        for undo in entry.undo:
            await undo.run(host)
        host.verdicts.pop(entry.key, None)
        ledger.drop(entry.key)
        removed.append(entry.key)
    return removed


def _group(resource: Resource) -> object:
    return next((kinds for kinds in TOGETHER if isinstance(resource, kinds)), resource.key)


async def _apply(host: Host, resource: Resource, gate: asyncio.Semaphore, doing: Doing) -> tuple[str, ...]:
    """What still differs after the apply."""
    async with gate if isinstance(resource, HEAVY) else contextlib.nullcontext(), doing(f"applying {resource.key}"):
        _log.info("applying", resource=resource.key)
        await resource.apply(host)
        host.verdicts.pop(resource.key, None)
    return await resource.diff(host)


def _failed(outcome: Outcome, resource: Resource, diff: tuple[str, ...], error: Exception) -> None:
    outcome.pending += diff
    outcome.error = outcome.error or f"{resource.key}: {in_words(error)}"
    _log.warning("cannot apply", resource=resource.key, error=str(error))


def in_words(error: Exception) -> str:
    """What a person is told of an error, with what to type."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = os.path.dirname(str(error.filename or "")) or "/var/lib"
        return f"{error}\nMake room (`df -h {folder}`); it goes on by itself."
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return f"{error}\nThe kernel made the disk read-only: `dmesg` says why; mend it, then `mount -o remount,rw`."
    return str(error)
