"""What `kfctl convert` asks for: which hosts, and whether it is so already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from kubefort.errors import Refused
from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS
from kubefort.model.cluster import CONTROL_PLANE, RunMode
from kubefort.model.operation import ConvertArguments, Overview

from kfctl.client import connect

Modes = Mapping[str, Mapping[str, RunMode]]
"""Host's name → component's name → run mode."""


async def arguments_for(
    config: Path, components: tuple[str, ...], to: str, hosts: tuple[str, ...]
) -> tuple[ConvertArguments, Modes]:
    """The operation's arguments, and how components run now. Raises Refused without a control plane."""
    async with connect(config) as client:
        overview = await client.overview()
    return arguments(overview, components, to, hosts), {host.name: host.run_modes for host in overview.hosts}


def arguments(overview: Overview, components: tuple[str, ...], to: str, hosts: tuple[str, ...]) -> ConvertArguments:
    """`all` stands for every component; no hosts for every control-plane host."""
    everybody = tuple(host.name for host in overview.hosts if host.role == CONTROL_PLANE)
    if not everybody:
        raise Refused("the cluster has no control plane yet", "wait for `kfctl init` to end")
    chosen = CONTROL_PLANE_COMPONENTS if "all" in components else tuple(dict.fromkeys(components))
    return ConvertArguments(chosen, cast(RunMode, to), tuple(dict.fromkeys(hosts)) or everybody, whole=not hosts)


def already(arguments: ConvertArguments, modes: Modes) -> bool:
    """Whether every component runs on every host as it shall."""
    return all(
        modes.get(host, {}).get(component) == arguments.to
        for host in arguments.hosts
        for component in arguments.components
    )
