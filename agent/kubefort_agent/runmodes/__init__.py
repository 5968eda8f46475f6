"""Run modes: each turns any component into resources, the last of which runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from kubefort.errors import InvalidInput
from kubefort.model.cluster import RunMode as Name

from kubefort_agent.components import Component, Context
from kubefort_agent.resources import Container, Resource, StaticPod, Unit
from kubefort_agent.runmodes import docker, static_pod, systemd


@dataclass(frozen=True)
class RunMode:
    """A way to run components. `key`: component's name → key of the resource that runs it."""

    resources: Callable[[Component, Context], tuple[Resource, ...]]
    key: Callable[[str], str]


RUN_MODES: Mapping[Name, RunMode] = {
    "static-pod": RunMode(static_pod.resources, lambda name: f"static-pod {name}"),
    "systemd": RunMode(systemd.resources, lambda name: f"unit {systemd.name(name)}"),
    "docker": RunMode(docker.resources, lambda name: f"container {docker.name(name)}"),
}


def run(component: Component, mode: Name, context: Context) -> tuple[Resource, ...]:
    """The component in a run mode; what runs it comes in the place of what ran it in any other mode.

    Raises InvalidInput where the mode does not exist, or lacks something of the bundle.
    """
    if mode not in RUN_MODES:
        raise InvalidInput(f"there is no run mode {mode}", f"use one of: {', '.join(RUN_MODES)}")
    *before, runner = RUN_MODES[mode].resources(component, context)
    assert isinstance(runner, StaticPod | Unit | Container)
    others = tuple(other.key(component.name) for name, other in RUN_MODES.items() if name != mode)
    return (*before, replace(runner, replaces=others))


__all__ = ["RUN_MODES", "RunMode", "run"]
