"""Every check, and how they are run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check

from kubefort_agent.host import Host

Checker = Callable[[Host, NodeSpec], Awaitable[Iterable[Check]]]


def checkers() -> tuple[Checker, ...]:
    """All checks; each yields what does not pass."""
    from kubefort_agent.preflight import disks, machine, network, ports, programs

    return (*machine.CHECKS, *programs.CHECKS, *ports.CHECKS, *disks.CHECKS, *network.CHECKS)


async def preflight(host: Host, spec: NodeSpec) -> tuple[Check, ...]:
    """Run all checks at once; errors that the operator ignores become warnings. Changes nothing."""
    results = await asyncio.gather(*(_run(checker, host, spec) for checker in checkers()))
    found = [_weighed(check, spec.ignored_checks) for checks in results for check in checks]
    return tuple(sorted(found, key=lambda check: (check.severity, check.name)))


async def _run(checker: Checker, host: Host, spec: NodeSpec) -> list[Check]:
    try:
        return list(await checker(host, spec))
    except Exception as error:  # noqa: BLE001 - the others still tell what they found
        name = getattr(checker, "__name__", "check")
        return [Check(name, "warning", f"this check itself failed: {error or type(error).__name__}")]


def _weighed(check: Check, ignored: tuple[str, ...]) -> Check:
    names = {name.lower() for name in ignored}
    if check.severity == "error" and names & {check.name.lower(), "all"}:
        return msgspec.structs.replace(check, severity="warning")
    return check
