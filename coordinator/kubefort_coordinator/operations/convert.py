"""Convert: components change how they run, on a live cluster, one control-plane host at a time."""

from __future__ import annotations

from kubefort.errors import InvalidInput, Refused
from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS
from kubefort.model.operation import ConvertArguments

from kubefort_coordinator import virtualip
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.phases import Phase
from kubefort_coordinator.phases.handover import LeaveVirtualIP
from kubefort_coordinator.phases.runmodes import Convert, RecordRunModes

SERVING = frozenset({"etcd", "kube-apiserver"})
"""A host on which one of these stops answers no request of the API's."""


ORDER = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler")
"""The API server first: connections that outlive the move of the virtual IP end with it, in good order, and no request
of theirs meets an API server whose etcd is away."""


def phases(arguments: ConvertArguments, coordinator: Coordinator) -> tuple[Phase, ...]:
    chosen = tuple(name for name in ORDER if name in arguments.components)
    moves = coordinator.records.need_cluster().cluster.vip is not None and bool({*chosen} & SERVING)
    return (
        *(
            phase
            for host in arguments.hosts
            for phase in (
                *((LeaveVirtualIP(host),) if moves else ()),
                *(Convert(host, component, arguments.to) for component in chosen),
            )
        ),
        *((RecordRunModes(components=chosen, to=arguments.to),) if arguments.whole else ()),
    )


def check(arguments: ConvertArguments, coordinator: Coordinator) -> None:
    """Raises where there is nothing to convert, or the bundle lacks what the run mode needs."""
    unknown = [name for name in arguments.components if name not in CONTROL_PLANE_COMPONENTS]
    if unknown:
        raise InvalidInput(
            f"{', '.join(unknown)} cannot be converted: kubelet is a service always, kube-proxy and CoreDNS are pods",
            f"convert some of {', '.join(CONTROL_PLANE_COMPONENTS)}",
        )
    if not arguments.components or not arguments.hosts:
        raise InvalidInput("nothing is named that could be converted", "name a component and a host")
    record = coordinator.records.need_cluster()
    if not record.bootstrapped:
        raise Refused("the cluster's bootstrap has not ended well", "run `kfctl init` again on the first host")
    running = [host.name for host in coordinator.control_planes() if host.joined]
    strangers = [name for name in arguments.hosts if name not in running]
    if strangers:
        raise Refused(
            f"{', '.join(strangers)}: no control-plane host of this cluster", f"there are {', '.join(running)}"
        )
    if arguments.whole and set(running) - set(arguments.hosts):
        raise Refused(f"{', '.join(sorted(set(running) - set(arguments.hosts)))} joined meanwhile", "try again")
    if arguments.to == "systemd":
        coordinator.bundles.need_programs(record.cluster.kubernetes_version, arguments.components)


def title(arguments: ConvertArguments) -> str:
    where = "" if arguments.whole else f" on {', '.join(arguments.hosts)}"
    return f"Convert {', '.join(arguments.components)} to {arguments.to}{where}"


def ended(_: ConvertArguments, coordinator: Coordinator) -> None:
    """From now on whoever has the virtual IP keeps it."""
    if coordinator.records.cluster() is not None:
        virtualip.change(coordinator, vip_holder="")


KIND = Kind(
    name="convert",
    arguments=ConvertArguments,
    title=title,
    hosts=lambda arguments: arguments.hosts,
    phases=phases,
    check=check,
    ended=ended,
)
