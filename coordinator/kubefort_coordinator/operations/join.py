"""Join: one host becomes a member of a running cluster."""

from __future__ import annotations

from kubefort.errors import Refused
from kubefort.model.cluster import CONTROL_PLANE
from kubefort.model.operation import JoinArguments

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.phases import Phase
from kubefort_coordinator.phases.controlplane import JoinEtcd, StartControlPlane
from kubefort_coordinator.phases.hosts import Preflight, PrepareHosts
from kubefort_coordinator.phases.nodes import RegisterNode, RegisterNodes, StartNodes
from kubefort_coordinator.phases.objects import ApplyObjects


def phases(arguments: JoinArguments, coordinator: Coordinator) -> tuple[Phase, ...]:
    host = arguments.host
    if coordinator.records.need_host(host).role == CONTROL_PLANE:
        start: tuple[Phase, ...] = (RegisterNode(host), JoinEtcd(host), StartControlPlane(host))
        finish: tuple[Phase, ...] = (ApplyObjects(),)
    else:
        start, finish = (), ()
    return (
        Preflight(hosts=(host,)),
        PrepareHosts(hosts=(host,)),
        *start,
        StartNodes(hosts=(host,)),
        RegisterNodes(hosts=(host,)),
        *finish,
    )


def check(arguments: JoinArguments, coordinator: Coordinator) -> None:
    """Raises Refused where there is nobody to join."""
    coordinator.records.need_host(arguments.host)
    if not coordinator.records.need_cluster().bootstrapped and not any(
        each.state.kind == "bootstrap" and each.state.status == "running" for each in coordinator.records.operations()
    ):
        raise Refused("the cluster's bootstrap has not ended well", "run `kfctl init` again on the first host")


KIND = Kind(
    name="join",
    arguments=JoinArguments,
    title=lambda arguments: f"Join {arguments.host}",
    hosts=lambda arguments: (arguments.host,),
    phases=phases,
    check=check,
)
