"""Reset: one host leaves, and nothing of ours stays on it."""

from __future__ import annotations

from kubefort.errors import Refused
from kubefort.kubeadm.addresses import split_endpoint
from kubefort.model.operation import ResetArguments

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.etcd.quorum import quorum, weakened
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.phases import Phase
from kubefort_coordinator.phases.leave import FORCE, ClearHost, DeleteNode, ForgetHost, LeaveEtcd
from kubefort_coordinator.records import HostRecord


def phases(arguments: ResetArguments, _: Coordinator) -> tuple[Phase, ...]:
    host, force = arguments.host, arguments.force
    return (
        LeaveEtcd(host, force),
        ClearHost(host, force),
        DeleteNode(host),
        ForgetHost(host),
    )


def check(arguments: ResetArguments, coordinator: Coordinator) -> None:
    """Raises Refused where there is no such host, where the others reach the API by its address, or where etcd would
    survive no other loss."""
    host = coordinator.records.need_host(arguments.host)
    if not arguments.force:
        _check_etcd(host, coordinator)
    record = coordinator.records.cluster()
    others = any(each.joined for each in coordinator.records.hosts() if each.name != host.name)
    if record is None or arguments.force or not others or not record.cluster.endpoint:
        return
    if split_endpoint(record.cluster.endpoint)[0] == host.address:
        raise Refused(
            f"{host.address}, the address of {host.name}, is the endpoint by which the other hosts reach the API",
            "reset the others first, or use --force",
        )


def _check_etcd(host: HostRecord, coordinator: Coordinator) -> None:
    """A first look by the record, so that what is refused is not even begun; LeaveEtcd asks etcd itself."""
    rest = [each for each in coordinator.control_planes("etcd") if each.name != host.name]
    sight = coordinator.observer.sight(host.name)
    condition = sight.status.condition("etcd") if sight.status and sight.connections else None
    sick = condition is None or not condition.ok
    if host.etcd is None or not rest or sick or len(rest) > quorum(len(rest)):
        return
    raise Refused(weakened(host.name, len(rest), len(rest)), FORCE.format(host.name))


KIND = Kind(
    name="reset",
    arguments=ResetArguments,
    title=lambda arguments: f"Reset {arguments.host}",
    hosts=lambda arguments: (arguments.host,),
    phases=phases,
    check=check,
)
