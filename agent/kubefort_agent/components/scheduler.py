"""kube-scheduler (cmd/kubeadm/app/phases/controlplane/manifests.go, getSchedulerCommand)."""

from __future__ import annotations

from pathlib import Path

from kubefort.paths import KUBERNETES

from kubefort_agent.components.component import Component, Context, HttpCheck, Mount, arguments

PORT = 10259
KUBECONFIG = f"{KUBERNETES}/scheduler.conf"


def scheduler(context: Context) -> Component:
    """The host's scheduler."""
    table = context.rules
    flags = {
        "authentication-kubeconfig": KUBECONFIG,
        "authorization-kubeconfig": KUBECONFIG,
        "bind-address": "127.0.0.1",
        "kubeconfig": KUBECONFIG,
        "leader-elect": "true",
    }
    if table.scheduler_port:
        flags["port"] = "0"
    return Component(
        name="kube-scheduler",
        image=context.image("kube-scheduler"),
        args=arguments(flags),
        port=PORT,
        liveness=HttpCheck(table.scheduler_liveness_path),
        startup=HttpCheck(table.scheduler_liveness_path),
        readiness=HttpCheck(table.scheduler_readiness_path) if table.scheduler_readiness_path else None,
        mounts=(Mount("kubeconfig", KUBECONFIG, KUBECONFIG, kind="FileOrCreate"),),
        requests=(("cpu", "100m"),),
        read_at_start=(Path(KUBECONFIG),),
    )
