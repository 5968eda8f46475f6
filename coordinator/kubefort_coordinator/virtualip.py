"""The virtual IP as the control-plane hosts report it, and what of the record steers it."""

from __future__ import annotations

import msgspec
from kubefort.model.spec import VipKey
from kubefort.vipfile import VipStatus
from kubefort.vipstatus import status_of

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.records import HostRecord

KEY_IDS = 255


def candidates(coordinator: Coordinator) -> list[HostRecord]:
    """The hosts that run kubefort-vip, by name: the order of its priorities."""
    return sorted(coordinator.control_planes("node"), key=lambda host: host.name)


def reported(coordinator: Coordinator, name: str) -> VipStatus | None:
    """What kubefort-vip on a host said last; None where the host is not connected or kubefort-vip does not answer."""
    sight = coordinator.observer.sight(name)
    return status_of(sight.status.vip) if sight.connections > 0 and sight.status is not None else None


def holders(coordinator: Coordinator) -> list[str]:
    """The hosts that say they hold the address."""
    return [each.name for each in candidates(coordinator) if (s := reported(coordinator, each.name)) and s.holder]


def obstacle(coordinator: Coordinator, name: str) -> str:
    """Why a host cannot take the address now, "" where it can."""
    if coordinator.observer.sight(name).connections <= 0:
        return f"the agent of {name} is not connected"
    status = reported(coordinator, name)
    if status is None:
        return f"kubefort-vip on {name} does not answer"
    if status.state == "initialize":
        return f"kubefort-vip on {name} is not in the group: {status.reason}"
    if not status.health.healthy:
        return f"the API server of {name} is not well: {status.health.reason}"
    return ""


def successor(coordinator: Coordinator) -> str:
    """The first host that does not hold the address and could; "" where there is none."""
    held = holders(coordinator)
    others = [each.name for each in candidates(coordinator) if each.name not in held]
    return next((name for name in others if not obstacle(coordinator, name)), "")


def change(coordinator: Coordinator, **changes: object) -> None:
    """Change fields of the cluster's record and publish what follows; nothing where they are so already."""
    record = coordinator.records.need_cluster()
    changed = msgspec.structs.replace(record, **changes)
    if changed != record:
        with coordinator.records.transaction():
            coordinator.records.put_cluster(changed)
            coordinator.publish()


def send_key(keys: tuple[VipKey, ...], chosen: int) -> int:
    """The id of the key that adverts are signed with; 0 where there is none."""
    return chosen or (keys[-1].id if keys else 0)


def free_key_id(keys: tuple[VipKey, ...]) -> int:
    """The id of the next key: one more than the newest, 1 after 255, none that is in use."""
    used = {key.id for key in keys}
    start = keys[-1].id if keys else 0
    return next(id for id in ((start + n) % KEY_IDS + 1 for n in range(KEY_IDS)) if id not in used)
