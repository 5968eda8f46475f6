"""Move of the virtual IP: another host takes it, without a moment in which nobody has it."""

from __future__ import annotations

from kubefort.errors import Refused
from kubefort.model.cluster import CONTROL_PLANE
from kubefort.model.operation import VipMoveArguments

from kubefort_coordinator import virtualip
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.phases import Phase
from kubefort_coordinator.phases.virtualip import TakeVirtualIP
from kubefort_coordinator.specs import reaches


def phases(arguments: VipMoveArguments, _: Coordinator) -> tuple[Phase, ...]:
    return (TakeVirtualIP(arguments.host),)


def check(arguments: VipMoveArguments, coordinator: Coordinator) -> None:
    """Raises Refused where there is no virtual IP, or the host cannot take it."""
    need_virtual_ip(coordinator)
    if not arguments.host:
        if not virtualip.successor(coordinator):
            raise Refused("no other host is fit to take the virtual IP", "see `kfctl vip status`")
        return
    host = coordinator.records.need_host(arguments.host)
    if host.role != CONTROL_PLANE or not reaches(host, "node"):
        raise Refused(f"{host.name} is not a control-plane host of the cluster", "see `kfctl nodes`")
    why = virtualip.obstacle(coordinator, host.name)
    if why and virtualip.holders(coordinator) != [host.name]:
        raise Refused(f"{host.name} cannot take the virtual IP: {why}", "see `kfctl vip status`")


def need_virtual_ip(coordinator: Coordinator) -> None:
    """Raises Refused where the cluster has none."""
    record = coordinator.records.need_cluster()
    if record.cluster.vip is None:
        raise Refused("the cluster has no virtual IP", "it gets one by `kfctl init --vip ADDRESS`")
    if not record.bootstrapped:
        raise Refused("the cluster's bootstrap has not ended", "see `kfctl operation list`")


def ended(_: VipMoveArguments, coordinator: Coordinator) -> None:
    """From now on whoever has the address keeps it."""
    if coordinator.records.cluster() is not None:
        virtualip.change(coordinator, vip_holder="")


KIND = Kind(
    name="vip-move",
    arguments=VipMoveArguments,
    title=lambda arguments: f"Move the virtual IP to {arguments.host or 'the next host'}",
    hosts=lambda arguments: (),
    phases=phases,
    check=check,
    ended=ended,
)
