"""Run modes: each turns any component into resources."""

from __future__ import annotations

from collections.abc import Callable

from kubefort.errors import InvalidInput

from kubefort_agent.components import Component, Context
from kubefort_agent.resources import Resource
from kubefort_agent.runmodes import static_pod

RunMode = Callable[[Component, Context], tuple[Resource, ...]]

RUN_MODES: dict[str, RunMode] = {"static-pod": static_pod.resources}


def run_mode(name: str) -> RunMode:
    """The run mode of that name. Raises InvalidInput for one that does not exist by now."""
    if name not in RUN_MODES:
        raise InvalidInput(f"run mode {name} is not yet available", f"use one of: {', '.join(RUN_MODES)}")
    return RUN_MODES[name]


__all__ = ["RUN_MODES", "RunMode", "run_mode"]
