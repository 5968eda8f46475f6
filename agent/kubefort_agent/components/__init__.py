"""The components of a control-plane host, each described once, as data."""

from __future__ import annotations

from collections.abc import Callable

from kubefort_agent.components.apiserver import apiserver
from kubefort_agent.components.component import Component, Context, HttpCheck, Mount, customise
from kubefort_agent.components.controller_manager import controller_manager
from kubefort_agent.components.etcd import etcd
from kubefort_agent.components.scheduler import scheduler

COMPONENTS: dict[str, Callable[[Context], Component]] = {
    "etcd": etcd,
    "kube-apiserver": apiserver,
    "kube-controller-manager": controller_manager,
    "kube-scheduler": scheduler,
}


def component(name: str, context: Context) -> Component:
    """A component with the operator's settings applied."""
    return customise(COMPONENTS[name](context), context.spec.cluster.component(name))


__all__ = ["COMPONENTS", "Component", "Context", "HttpCheck", "Mount", "component", "customise"]
