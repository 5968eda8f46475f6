"""Run mode docker: Docker runs the static pod's image, and restarts it; no kubelet is needed."""

from __future__ import annotations

from kubefort_agent.components import Component, Context
from kubefort_agent.resources import Container, DockerImage, Resource

SCORE = -997
"""oom_score_adj, as kubelet gives to system-node-critical pods."""


def name(component: str) -> str:
    """The container's name: one that nobody else has taken."""
    return f"kubefort-{component}"


def resources(component: Component, context: Context) -> tuple[Resource, ...]:
    """The component as a container, its image before it."""
    return (
        DockerImage(context.artifact("image", component.name)),
        Container(
            name=name(component.name),
            image=component.image,
            command=component.command,
            environment=component.environment,
            mounts=tuple((each.host_path, each.mount_path, each.read_only) for each in component.mounts),
            read_at_start=component.read_at_start,
            score=None if context.facts.oom_restricted else SCORE,
        ),
    )
