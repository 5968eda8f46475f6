"""Whether an etcd member may come or go: quorum first. Pure, so that every case is a row of a table.

A cluster of n voting members needs n // 2 + 1 of them (its quorum) for every write, and for the change itself as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """What is known of one member: whether it ever started, answers healthily now, and whether it is a learner."""

    id: int
    name: str
    started: bool = True
    healthy: bool = True
    learner: bool = False


def quorum(voters: int) -> int:
    """How many of so many voting members must agree."""
    return voters // 2 + 1


def may_add(members: Sequence[View]) -> str:
    """Why no learner may be added now; "" when one may. Adding a learner does not change the quorum."""
    voters = [m for m in members if not m.learner]
    waiting = [m for m in members if m.learner]
    if waiting:
        return f"{_names(waiting)} is still a learner: one is added at a time, and promoted before the next"
    return _without_quorum(voters) or _sick(voters)


def may_promote(members: Sequence[View], member_id: int) -> str:
    """Why this learner may not become a voting member now; "" when it may (etcd itself checks that it is in sync)."""
    candidate = next((m for m in members if m.id == member_id), None)
    if candidate is None:
        return f"there is no etcd member {member_id:x}"
    if not candidate.learner:
        return ""
    if not candidate.started or not candidate.healthy:
        return f"the learner {_names([candidate])} does not answer"
    return _without_quorum([m for m in members if not m.learner])


def may_remove(members: Sequence[View], member_id: int, forced: bool = False) -> str:
    """Why this member may not be removed; "" when it may.

    Without `forced`, what remains must survive the loss of one more member (so neither 3 → 2 nor 2 → 1), or the one
    that goes must be sick: without it, the rest is no worse off. `forced` (the operator said so) only asks that what
    remains has a quorum at all.
    """
    gone = next((m for m in members if m.id == member_id), None)
    if gone is None or gone.learner:
        return ""
    voters = [m for m in members if not m.learner]
    rest = [m for m in voters if m.id != member_id]
    if not rest:
        return f"{_names([gone])} is the last etcd member: removing it would lose the cluster's data"
    lost = _without_quorum(voters)
    if lost:
        return lost
    able = [m for m in rest if m.started and m.healthy]
    if len(able) < quorum(len(rest)):
        return (
            f"without {_names([gone])} only {len(able)} of {len(rest)} etcd members would be healthy, "
            f"and {quorum(len(rest))} are needed"
        )
    if forced:
        return ""
    if not gone.started or not gone.healthy or len(able) > quorum(len(rest)):
        return ""
    return weakened(_names([gone]), len(rest), len(able))


def weakened(name: str, members: int, healthy: int) -> str:
    """What is said where so many members, without the one on host `name`, could lose none any more."""
    if healthy < members:
        return f"without {name} only {healthy} of {members} etcd members would be healthy, and none could be lost"
    return f"without {name} etcd would have {members} member{'s' * (members > 1)}, and none could be lost any more"


def may_stop(members: Sequence[View], member_id: int) -> str:
    """Why this member may not be stopped for a moment; "" when it may.

    Of three and more the others must have the quorum alone. Of one or two none can be spared: all must be healthy, so
    that nothing is lost but the moment.
    """
    voters = [m for m in members if not m.learner]
    rest = [m for m in voters if m.id != member_id]
    if len(rest) == len(voters):
        return ""
    if len(voters) < 3:
        return _sick(rest)
    able = [m for m in rest if m.started and m.healthy]
    if len(able) >= quorum(len(voters)):
        return ""
    return f"of the other etcd members {len(able)} are healthy, and {quorum(len(voters))} are needed"


def _without_quorum(voters: Sequence[View]) -> str:
    able = [m for m in voters if m.started and m.healthy]
    if len(able) >= quorum(len(voters)):
        return ""
    return f"etcd has no quorum: {len(able)} of {len(voters)} members are healthy, {quorum(len(voters))} are needed"


def _sick(voters: Sequence[View]) -> str:
    sick = [m for m in voters if not (m.started and m.healthy)]
    if not sick:
        return ""
    return f"the etcd member{'s' if len(sick) > 1 else ''} {_names(sick)} must be healthy (or removed) before"


def _names(members: Sequence[View]) -> str:
    return ", ".join(m.name or f"{m.id:x}" for m in members)
