"""Cordon, uncordon and drain a node, because an operator says so."""

from __future__ import annotations

from kubefort.errors import Refused
from kubefort.model.operation import NodeArguments

from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.phases import Phase
from kubefort_coordinator.phases.scheduling import CordonNode, DrainNode, UncordonNode


def cordon_phases(arguments: NodeArguments, _: Coordinator) -> tuple[Phase, ...]:
    return (CordonNode(arguments.host),)


def drain_phases(arguments: NodeArguments, _: Coordinator) -> tuple[Phase, ...]:
    return (DrainNode(arguments.host, arguments.drain),)


def uncordon_phases(arguments: NodeArguments, _: Coordinator) -> tuple[Phase, ...]:
    return (UncordonNode(arguments.host),)


def check(arguments: NodeArguments, coordinator: Coordinator) -> None:
    """Raises Refused where the host is no node."""
    if not coordinator.records.need_host(arguments.host).joined:
        raise Refused(f"{arguments.host} is no node of the cluster yet", "see `kfctl nodes`")


CORDON = Kind(
    name="cordon",
    arguments=NodeArguments,
    title=lambda arguments: f"Cordon {arguments.host}",
    hosts=lambda arguments: (arguments.host,),
    phases=cordon_phases,
    check=check,
)
DRAIN = Kind(
    name="drain",
    arguments=NodeArguments,
    title=lambda arguments: f"Drain {arguments.host}",
    hosts=lambda arguments: (arguments.host,),
    phases=drain_phases,
    check=check,
)
UNCORDON = Kind(
    name="uncordon",
    arguments=NodeArguments,
    title=lambda arguments: f"Uncordon {arguments.host}",
    hosts=lambda arguments: (arguments.host,),
    phases=uncordon_phases,
    check=check,
)
