"""What the coordinator begins by itself, when its time has come and nothing else is going on."""

from __future__ import annotations

import asyncio

from kubefort import log
from kubefort.errors import KubefortError
from kubefort.model.operation import VipRotateKeyArguments

from kubefort_coordinator import virtualip
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations.runner import Runner

LOG = log.get("schedule")

ROTATE_AFTER_S = 30 * 86400.0
LOOK_EVERY_S = 600.0


def rotation_due(coordinator: Coordinator) -> bool:
    """Whether the virtual IP's key is old enough (or there is none), and every host there to take another."""
    record = coordinator.records.cluster()
    if record is None or record.cluster.vip is None or not record.bootstrapped:
        return False
    if record.vip_keys and coordinator.clock() - record.vip_rotated < ROTATE_AFTER_S:
        return False
    if any(each.state.status == "running" for each in coordinator.records.operations()):
        return False
    hosts = [each.name for each in virtualip.candidates(coordinator)]
    settled = not any(coordinator.unsettled(name) for name in hosts)
    return bool(hosts) and settled and all(virtualip.reported(coordinator, name) for name in hosts)


async def keep(coordinator: Coordinator, runner: Runner, every: float = LOOK_EVERY_S) -> None:
    """For ever."""
    while True:
        await asyncio.sleep(every)
        try:
            if rotation_due(coordinator):
                LOG.info("the virtual IP's key is due", operation=runner.begin("vip-rotate-key", ROTATE).id)
        except KubefortError as error:
            LOG.warning("the virtual IP's key was not changed", why=error.message)


ROTATE = VipRotateKeyArguments()
