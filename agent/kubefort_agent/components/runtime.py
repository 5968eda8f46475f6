"""The container runtime and the pod network of one host: the configurations of containerd, crictl and CNI."""

from __future__ import annotations

import json
import re
from pathlib import Path

from kubefort_agent.components.component import Context
from kubefort_agent.components.kubelet import digest, document, runtime_endpoint
from kubefort_agent.resources import File, Resource, Unit

CONTAINERD_CONFIG = Path("/etc/containerd/config.toml")
CRICTL_CONFIG = Path("/etc/crictl.yaml")
CNI_CONFIG = Path("/etc/cni/net.d/10-kubefort.conflist")

_HEAD = """\
# Written by Kubefort. Settings of your own belong into /etc/containerd/conf.d.
version = {version}
imports = ["/etc/containerd/conf.d/*.toml"]
"""

_VERSION_2 = """
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = {restricted}

[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = {systemd}

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{cni}"
  conf_dir = "/etc/cni/net.d"
"""

_VERSION_3 = """
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{pause}"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = {restricted}

[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  SystemdCgroup = {systemd}

[plugins."io.containerd.cri.v1.runtime".cni]
  {cni_key} = {cni_value}
  conf_dir = "/etc/cni/net.d"
"""

# Debian keeps containerd out of /opt (its own config.toml says so).
_DEBIAN = """
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd"
"""


def containerd_config(context: Context) -> bytes:
    """config.toml: version 2 for containerd 1.x, version 3 from 2.0 on (containerd, docs/cri/config.md)."""
    facts = context.facts
    version = _version(facts.containerd_version)
    several = version >= (2, 1)
    text = _HEAD.format(version=3 if version >= (2, 0) else 2)
    text += (_VERSION_3 if version >= (2, 0) else _VERSION_2).format(
        pause=context.image("pause"),
        restricted=_toml(facts.oom_restricted),
        systemd=_toml(facts.cgroup_driver == "systemd"),
        cni=facts.cni_bin_dir,
        cni_key="bin_dirs" if several else "bin_dir",
        cni_value=json.dumps([facts.cni_bin_dir] if several else facts.cni_bin_dir),
    )
    if facts.os_family == "debian":
        text += _DEBIAN
    return text.encode()


def cni_config(context: Context) -> bytes:
    """A bridge per host; addresses from the host's pod CIDRs; other hosts' are reached by routes, so no masquerade."""
    cidrs = context.spec.node.pod_cidrs
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": cidr}] for cidr in cidrs],
        "routes": [{"dst": "::/0" if ":" in cidr else "0.0.0.0/0"} for cidr in cidrs],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": False, "hairpinMode": True, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    config = {"cniVersion": "0.3.1", "name": "kubefort", "plugins": [bridge, portmap]}
    return (json.dumps(config, indent=2) + "\n").encode()


def runtime(context: Context) -> tuple[Resource, ...]:
    """containerd as kubelet needs it, running."""
    config = containerd_config(context)
    socket = runtime_endpoint(context)
    return (
        File(CONTAINERD_CONFIG, config, unit="containerd.service"),
        Unit("containerd.service", "", restart_on=(digest(config),)),
        File(CRICTL_CONFIG, document({"runtime-endpoint": socket, "image-endpoint": socket, "timeout": 10})),
    )


def pod_network(context: Context) -> tuple[Resource, ...]:
    """The CNI configuration, where pods' addresses are ours to give."""
    if context.spec.cluster.pod_network != "routed" or not context.spec.node.pod_cidrs:
        return ()
    return (File(CNI_CONFIG, cni_config(context)),)


def _version(text: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (1, 0)


def _toml(value: bool) -> str:
    return "true" if value else "false"
