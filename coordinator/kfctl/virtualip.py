"""The virtual IP as the hosts report it, as text and as a document. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubefort.model.cluster import CONTROL_PLANE
from kubefort.model.operation import HostOverview, Overview
from kubefort.vipfile import VipStatus
from kubefort.vipstatus import status_of

from kfctl.text import columns, duration


@dataclass(frozen=True)
class Member:
    """A host that may hold the address. `clock`: its clock minus the coordinator's in seconds, None: not known.

    `answers`: kubefort-vip does there. `status` None: it does not, or in a way that is not understood here.
    """

    name: str
    connected: bool
    answers: bool
    holds: bool
    status: VipStatus | None
    clock: float | None


def members(overview: Overview) -> tuple[Member, ...]:
    """The control-plane hosts of the cluster, by name."""
    planes = [host for host in overview.hosts if host.role == CONTROL_PLANE and host.stage == "node"]
    return tuple(_member(host) for host in sorted(planes, key=lambda host: host.name))


def _member(host: HostOverview) -> Member:
    status = host.status
    clock = status.facts.time - host.seen if status is not None and status.facts.time and host.seen else None
    raw = status.vip if status is not None else {}
    return Member(
        host.name,
        host.connected,
        answers=bool(raw),
        holds=host.connected and bool(raw.get("holder")),
        status=status_of(raw),
        clock=None if clock is None else round(clock, 3),
    )


def holders(overview: Overview) -> tuple[str, ...]:
    """Those that say they hold it: as it should be, one."""
    return tuple(member.name for member in members(overview) if member.holds)


def claimants(status: VipStatus) -> tuple[str, ...]:
    """Strangers that want to be of our group; other groups on the same network are fine."""
    return tuple(stranger for stranger in status.strangers if "another group" not in stranger)


def document(overview: Overview) -> dict[str, object]:
    """For programs. `status` is kubefort-vip's own document, as in kubefort.vipfile.VipStatus."""
    vip, held = overview.cluster.vip if overview.cluster else None, holders(overview)
    return {
        "address": vip.address if vip else "",
        "holder": held[0] if len(held) == 1 else "",
        "holders": held,
        "hosts": [
            {"name": each.name, "connected": each.connected, "clockOffset": each.clock, "status": each.status}
            for each in members(overview)
        ],
    }


def page(overview: Overview) -> str:
    """For people."""
    vip = overview.cluster.vip if overview.cluster else None
    if vip is None:
        return "The cluster has no virtual IP."
    seen = members(overview)
    parts = [columns([("Virtual IP", vip.address), *_facts(seen)])]
    if seen:
        heading = ("HOST", "STATE", "PRIORITY", "FIT", "HEARD", "LOST", "REJECTED", "MOVES", "CLOCK", "WHY")
        parts.append(columns([heading, *map(_row, seen)]))
    notes = [f"  {sentence}" for each in seen for sentence in _notes(each)]
    if notes:
        parts.append("\n".join(("To look at:", *notes)))
    return "\n\n".join(parts)


def _facts(seen: tuple[Member, ...]) -> Iterator[tuple[str, str]]:
    held = [each for each in seen if each.holds]
    if len(held) == 1 and held[0].status is not None:
        yield "Holder", f"{held[0].name}, for {duration(held[0].status.since_s)}: {held[0].status.reason}"
    else:
        yield "Holder", " and ".join(each.name for each in held) or "nobody"
    known = [each.status for each in seen if each.connected and each.status is not None]
    if known:
        yield "Group", f"VRID {_all(s.vrid for s in known)}, VRRP version {_all(s.version for s in known)}"
        yield "Adverts", f"every {_all(s.interval_ms for s in known)} ms"
        yield "Authentication", _all(_authentication(status) for status in known)


def _all(values: Iterator[object]) -> str:
    """The one value, or all where hosts differ."""
    return " / ".join(dict.fromkeys(map(str, values)))


def _authentication(status: VipStatus) -> str:
    if status.auth_mode == "off":
        return "off"
    others = [str(id) for id in status.auth_key_ids if id != status.auth_send_key_id]
    sent = "sent without" if status.auth_send_key_id is None else f"signed with key {status.auth_send_key_id}"
    return f"{status.auth_mode}, {sent}" + (f", key {', '.join(others)} accepted too" if others else "")


def _row(member: Member) -> tuple[str, ...]:
    status = member.status
    if not member.connected or status is None:
        why = "kubefort-vip answers as another version does" if member.answers else "kubefort-vip does not answer"
        why = why if member.connected else "its agent is not connected"
        return member.name, "unknown", *("-",) * 7, why
    own, now = status.priority, status.effective_priority
    return (
        member.name,
        status.state,
        str(own) if own == now else f"{now} (of {own})",
        "yes" if status.health.healthy else "no",
        str(status.received),
        str(status.lost),
        str(sum(status.rejected.values())),
        str(status.transitions),
        "-" if member.clock is None else f"{member.clock:+.1f} s",
        f"for {duration(status.since_s)}: {status.reason}",
    )


def _notes(member: Member) -> Iterator[str]:
    status = member.status
    if not member.connected or status is None:
        return
    if not status.health.healthy:
        yield f"{member.name}: API server not well: {status.health.reason}"
    if status.rejected:
        causes = ", ".join(f"{count} {cause}" for cause, count in sorted(status.rejected.items()))
        yield f"{member.name}: adverts rejected: {causes}"
    yield from (f"{member.name}: somebody else: {stranger}" for stranger in claimants(status))
    yield from (f"{member.name}: {warning}" for warning in status.warnings)
    if status.draining:
        yield f"{member.name}: {status.draining} connections from before the move"
