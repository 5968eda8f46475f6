"""A new key for the virtual IP's adverts; the first one where they have none, and then they need it."""

from __future__ import annotations

from kubefort.model.operation import VipRotateKeyArguments

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.operations.vip_move import need_virtual_ip
from kubefort_coordinator.phases import Phase
from kubefort_coordinator.phases.virtualip import AcceptNewKey, DropOldKeys, SendNewKey


def phases(_: VipRotateKeyArguments, __: Coordinator) -> tuple[Phase, ...]:
    return (AcceptNewKey(), SendNewKey(), DropOldKeys())


KIND = Kind(
    name="vip-rotate-key",
    arguments=VipRotateKeyArguments,
    title=lambda arguments: "Change the key of the virtual IP's adverts",
    hosts=lambda arguments: (),
    phases=phases,
    check=lambda arguments, coordinator: need_virtual_ip(coordinator),
)
