"""Reset: one host leaves, and nothing of ours stays on it."""

from __future__ import annotations

from kubefort.model.operation import ResetArguments

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.phases import Phase
from kubefort_coordinator.phases.leave import ClearHost, DeleteNode, ForgetHost, LeaveEtcd


def phases(arguments: ResetArguments, _: Coordinator) -> tuple[Phase, ...]:
    host, force = arguments.host, arguments.force
    return (
        LeaveEtcd(host, force),
        ClearHost(host, force),
        DeleteNode(host),
        ForgetHost(host),
    )


def check(arguments: ResetArguments, coordinator: Coordinator) -> None:
    """Raises Refused where there is no such host."""
    coordinator.records.need_host(arguments.host)


KIND = Kind(
    name="reset",
    arguments=ResetArguments,
    title=lambda arguments: f"Reset {arguments.host}",
    hosts=lambda arguments: (arguments.host,),
    phases=phases,
    check=check,
)
