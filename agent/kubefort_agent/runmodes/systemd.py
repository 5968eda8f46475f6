"""Run mode systemd: a unit per component; its program comes from the bundle, below a path that names the version.

At boot nothing is waited for but the local network setup: an address that is not there yet only means another restart.
"""

from __future__ import annotations

from kubefort_agent.components import Component, Context, Mount
from kubefort_agent.resources import Resource, Unit
from kubefort_agent.resources.binary import FOLDER

TITLES = {
    "etcd": "etcd, the cluster's store",
    "kube-apiserver": "Kubernetes API server",
    "kube-controller-manager": "Kubernetes controller manager",
    "kube-scheduler": "Kubernetes scheduler",
}

SCORE = -997
"""OOMScoreAdjust, as kubelet gives to system-node-critical pods."""

SERVICE = """\
Type=exec
Restart=always
RestartSec=1
TimeoutStopSec=30
LimitNOFILE=1048576
MemoryAccounting=yes
TasksAccounting=yes
TasksMax=infinity

CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectClock=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
"""


ACCOUNTING = ("CPUAccounting=yes", "IOAccounting=yes")
"""With control groups of version 2 only. In version 1 the last unit that asks for a controller takes it along when it
goes: systemd empties that controller's whole tree, kubelet's pods too, and nobody can `kubectl exec` into them."""


def name(component: str) -> str:
    return f"{component}.service"


def resources(component: Component, context: Context) -> tuple[Resource, ...]:
    """The component as a unit. Raises InvalidInput when the bundle has no program for it."""
    context.artifact("binary", component.name)
    return (Unit(name(component.name), unit(component, context), read_at_start=component.read_at_start),)


def unit(component: Component, context: Context) -> str:
    """The unit file's text."""
    program = FOLDER / context.spec.cluster.kubernetes_version / component.name
    command = " \\\n    ".join(quoted(word) for word in (str(program), *component.command[1:]))
    lines = [
        "[Unit]",
        f"Description={TITLES.get(component.name, component.name)} (Kubefort)",
        f"After=network.target{'' if component.name == 'etcd' else ' etcd.service'}",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        f"ExecStart={command}",
        *(f"Environment={quoted(f'{variable}={value}', dollar='$')}" for variable, value in component.environment),
        *(line for mount in component.mounts for line in _mount(mount)),
        *([] if context.facts.oom_restricted else [f"OOMScoreAdjust={SCORE}"]),
        *(ACCOUNTING if context.facts.cgroup_version == 2 else ()),
        SERVICE,
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ]
    return "\n".join(lines)


def quoted(word: str, dollar: str = "$$") -> str:
    """A word as systemd reads it back unchanged (systemd.service(5): quoting, specifiers, variables)."""
    word = word.replace("%", "%%").replace("$", dollar)
    if word and not set(word) & set(" \t\n\"'\\;"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _mount(mount: Mount) -> tuple[str, ...]:
    """The file system is the host's, read-only: said is only what may be written and what is seen elsewhere."""
    if mount.host_path != mount.mount_path:
        kind = "BindReadOnlyPaths" if mount.read_only else "BindPaths"
        return (f"{kind}={quoted(f'{mount.host_path}:{mount.mount_path}', dollar='$')}",)
    return () if mount.read_only else (f"ReadWritePaths=-{quoted(mount.host_path, dollar='$')}",)
