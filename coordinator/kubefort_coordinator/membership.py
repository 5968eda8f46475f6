"""etcd's members as they are now, in the form that the rules of kubefort_coordinator.etcd.quorum judge."""

from __future__ import annotations

from collections.abc import Sequence

from kubefort.errors import KubefortError

from kubefort_coordinator.etcd.client import EtcdClient, Member
from kubefort_coordinator.etcd.quorum import View


async def views(etcd: EtcdClient, members: Sequence[Member]) -> tuple[View, ...]:
    """Each member with its health: it answers, knows a leader, and reports no error or alarm."""
    return tuple([await _view(etcd, member) for member in members])


async def _view(etcd: EtcdClient, member: Member) -> View:
    name = member.name or member.peer_urls[0]
    if not member.client_urls:
        return View(member.id, name, started=False, healthy=False, learner=member.is_learner)
    try:
        status = await etcd.status(member.client_urls[0])
    except KubefortError:
        healthy = False
    else:
        healthy = not status.errors and status.leader != 0
    return View(member.id, name, healthy=healthy, learner=member.is_learner)
