"""Run mode static-pod: a manifest that kubelet picks up (cmd/kubeadm/app/util/staticpod/utils.go)."""

from __future__ import annotations

from typing import Any

import yaml

from kubefort_agent.components import Component, Context, HttpCheck, Mount
from kubefort_agent.components.patch import merge
from kubefort_agent.resources import Resource, StaticPod

PROBE_PORT = "probe-port"
PRIORITY = 2_000_001_000
"""The value of the priority class system-node-critical."""

READ_AT_START = "kubefort.io/read-at-start"
"""Annotation with the digest of what the component reads only at its start: kubelet makes the pod anew for another."""

STARTUP_SECONDS = 240
"""As patient as kubeadm (24 looks, 10 s apart), but looking each second: a pod is not ready before it has started."""


def resources(component: Component, context: Context) -> tuple[Resource, ...]:
    """The component as a static pod."""
    content = yaml.safe_dump(manifest(component, context), default_flow_style=False, sort_keys=True, width=1_000_000)
    return (StaticPod(component.name, content.encode(), component.read_at_start),)


def manifest(component: Component, context: Context) -> dict[str, object]:
    """The Pod, the operator's patch over it."""
    table = context.rules
    mounts = sorted(component.mounts, key=lambda mount: mount.name)
    metadata: dict[str, object] = {
        "labels": {"component": component.name, "tier": "control-plane"},
        "name": component.name,
        "namespace": "kube-system",
    }
    annotations = dict(component.annotations)
    if component.read_at_start:
        annotations[READ_AT_START] = StaticPod.STAMP
    if annotations:
        metadata["annotations"] = annotations
    spec: dict[str, object] = {
        "containers": [_container(component, mounts, named_port=table.named_probe_ports)],
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "volumes": [_volume(mount) for mount in mounts],
    }
    if table.explicit_priority:
        spec["priority"] = PRIORITY
    if table.seccomp_profile:
        spec["securityContext"] = {"seccompProfile": {"type": "RuntimeDefault"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    return merge(pod, component.patch)


def _container(component: Component, mounts: list[Mount], *, named_port: bool) -> dict[str, object]:
    port: int | str = PROBE_PORT if named_port else component.port
    container: dict[str, object] = {
        "command": list(component.command),
        "image": component.image,
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": _probe(component.liveness, port, failures=8, delay=10, period=10),
        "name": component.name,
        "resources": {"requests": dict(component.requests)},
        "startupProbe": _probe(component.startup, port, failures=STARTUP_SECONDS, delay=0, period=1),
        "volumeMounts": [_volume_mount(mount) for mount in mounts],
    }
    if component.readiness is not None:
        container["readinessProbe"] = _probe(component.readiness, port, failures=3, delay=0, period=1)
    if named_port:
        container["ports"] = [{"containerPort": component.port, "name": PROBE_PORT, "protocol": "TCP"}]
    if component.environment:
        container["env"] = [{"name": name, "value": value} for name, value in component.environment]
    return container


def _probe(check: HttpCheck, port: int | str, *, failures: int, delay: int, period: int) -> dict[str, object]:
    probe: dict[str, object] = {
        "failureThreshold": failures,
        "httpGet": {"host": check.host, "path": check.path, "port": port, "scheme": check.scheme},
        "periodSeconds": period,
        "timeoutSeconds": 15,
    }
    if delay:
        probe["initialDelaySeconds"] = delay
    return probe


def _volume(mount: Mount) -> dict[str, object]:
    source: dict[str, Any] = {"path": mount.host_path}
    if mount.kind:
        source["type"] = mount.kind
    return {"hostPath": source, "name": mount.name}


def _volume_mount(mount: Mount) -> dict[str, object]:
    result: dict[str, object] = {"mountPath": mount.mount_path, "name": mount.name}
    if mount.read_only:
        result["readOnly"] = True
    return result
