"""The status document, put together from what the parts of the process know."""

from __future__ import annotations

from collections import deque

import msgspec
from kubefort.vipfile import VipFile, VipStatus

from kubefort_agent.vip import codec
from kubefort_agent.vip.drain import Drain
from kubefort_agent.vip.fitness import Fitness
from kubefort_agent.vip.group import Group
from kubefort_agent.vip.machine import Machine, State


class Counters(msgspec.Struct):
    """The loop's own numbers; times in seconds, on its clock."""

    since: float
    sent: int = 0
    send_errors: int = 0
    worst_late: float = 0.0


def document(
    now: float,
    config: VipFile,
    machine: Machine,
    group: Group,
    counters: Counters,
    *,
    holder: bool,
    fitness: Fitness,
    drain: Drain,
    refused: list[str],
    warnings: list[str],
    events: deque[str],
) -> VipStatus:
    active = max(group.routers, key=lambda address: group.routers[address].heard, default=b"")
    rejected = dict(group.rejected)
    if counters.send_errors:
        rejected["send-failed"] = counters.send_errors
    form = {None: "", True: "with-pseudo-header", False: "without-pseudo-header"}[group.pseudo_header]
    return VipStatus(
        state=machine.state.value,
        holder=holder,
        reason=machine.reason,
        since_s=round(now - counters.since, 3),
        interface=config.interface,
        addresses=config.addresses,
        vrid=config.vrid,
        version=config.version,
        priority=config.priority,
        effective_priority=machine.priority(now),
        interval_ms=config.interval_ms,
        active=config.source if machine.state is State.ACTIVE else (codec.text(active) if active else ""),
        transitions=machine.transitions,
        sent=counters.sent,
        received=group.received,
        lost=group.lost,
        rejected=rejected,
        peers=group.peers_heard(now),
        auth_mode=config.auth.mode,
        auth_send_key_id=config.auth.send_key_id,
        auth_key_ids=tuple(key.id for key in config.auth.keys),
        health=fitness.status(),
        strangers=tuple(f"{codec.text(address)}: {what}" for address, what in group.strangers.items()),
        checksum=form,  # type: ignore[arg-type]
        draining=drain.state(now),  # type: ignore[arg-type]
        late_timers=machine.late_timers,
        worst_late_ms=round(counters.worst_late * 1000, 3),
        real_time=not refused,
        warnings=tuple(one for one in (*refused, *warnings, fitness.warning, drain.warning) if one),
        events=tuple(events),
    )
