"""Whether an etcd member may come or go."""

from __future__ import annotations

from collections.abc import Sequence

from kubefort.errors import KubefortError

from kubefort_coordinator.etcd.client import EtcdClient, Member


def tolerance(voters: int, healthy: int) -> int:
    """How many more members may fail before the majority is lost; negative: it is lost."""
    return healthy - (voters // 2 + 1)


def may_remove(voters: int, healthy: int, *, leaving_is_healthy: bool) -> bool:
    """Whether a voting member may go: the rest survives the loss of one more, or is no worse off than now."""
    after = tolerance(voters - 1, healthy - leaving_is_healthy)
    return after >= 1 or after >= max(0, tolerance(voters, healthy))


async def health(etcd: EtcdClient, members: Sequence[Member]) -> dict[int, str]:
    """Member's id → "" where it is healthy, else why it is not."""
    result = {}
    for member in members:
        label = member.name or member.peer_urls[0]
        if not member.client_urls:
            result[member.id] = f"etcd member {label} has not started"
            continue
        try:
            status = await etcd.status(member.client_urls[0])
        except KubefortError as error:
            result[member.id] = f"etcd member {label} does not answer ({error.message})"
            continue
        problems = [*status.errors, *([] if status.leader else ["no leader"])]
        result[member.id] = f"etcd member {label}: {', '.join(problems)}" if problems else ""
    return result


async def unhealthy_members(etcd: EtcdClient, members: Sequence[Member]) -> str:
    """One sentence about the first member that is not healthy, "" when all are."""
    return next((why for why in (await health(etcd, members)).values() if why), "")
