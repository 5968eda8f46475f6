"""kubelet: its configuration, flags and unit (cmd/kubeadm/app/phases/kubelet, componentconfigs/kubelet.go).

Always a systemd service: something must start the starter.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path

import yaml
from kubefort.kubeadm.addresses import dns_address, endpoint, local_api
from kubefort.kubeadm.certificates import certificate
from kubefort.model.cluster import Taint
from kubefort.paths import CONFIG, KUBELET, KUBERNETES, MANIFESTS, PKI

from kubefort_agent.components.component import Context
from kubefort_agent.components.patch import merge
from kubefort_agent.resources import CertificateFiles, File, Folder, Kubeconfig, KubeletFiles, Resource, Unit

KUBELET_CONFIG = KUBELET / "config.yaml"
INSTANCE_CONFIG = KUBELET / "instance-config.yaml"
FLAGS_FILE = KUBELET / "kubeadm-flags.env"
RESOLV_CONF = CONFIG / "resolv.conf"
UNIT = "kubelet.service"
KUBEADM_DROP_IN = Path("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf")
"""An empty file of the name that the packages of pkgs.k8s.io have in /usr/lib hides theirs: it starts their kubelet."""

DEFAULTS = {"el": "/etc/sysconfig/kubelet", "suse": "/etc/sysconfig/kubelet"}

_UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target containerd.service
StartLimitIntervalSec=0

[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--kubeconfig={kubeconfig}"
Environment="KUBELET_CONFIG_ARGS=--config={config}"
EnvironmentFile=-{flags}
EnvironmentFile=-{defaults}
ExecStart=/usr/local/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def runtime_endpoint(context: Context) -> str:
    return f"unix://{context.facts.runtime_socket}"


def configuration(context: Context) -> dict[str, object]:
    """KubeletConfiguration, without the zero values that kubeadm's marshaller writes."""
    cluster, facts, table = context.spec.cluster, context.facts, context.rules
    config: dict[str, object] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{PKI}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": facts.cgroup_driver,
        "clusterDNS": [dns_address(cluster)],
        "clusterDomain": cluster.domain,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": 10248,
        "resolvConf": facts.resolv_conf or str(RESOLV_CONF),
        "rotateCertificates": True,
        "staticPodPath": str(MANIFESTS),
    }
    if table.runtime_endpoint_in_config:
        config["containerRuntimeEndpoint"] = runtime_endpoint(context)
    if table.fail_cgroup_v1 and facts.cgroup_version == 1:
        config["failCgroupV1"] = False
    return merge(config, cluster.component("kubelet").patch)


def flags(context: Context) -> dict[str, str]:
    """kubelet's flags: what its configuration file cannot hold, or not in this version."""
    node, table = context.spec.node, context.rules
    result = {"hostname-override": node.name, "node-ip": node.address}
    if not table.runtime_endpoint_in_config:
        result["container-runtime-endpoint"] = runtime_endpoint(context)
    if table.container_runtime_flag:
        result["container-runtime"] = "remote"
    if table.pod_infra_image_flag:
        result["pod-infra-container-image"] = context.image("pause")
    taints = _taints(context)
    if taints:
        result["register-with-taints"] = ",".join(f"{t.key}={t.value}:{t.effect}" for t in taints)
    return result | context.spec.cluster.component("kubelet").extra_args


def _taints(context: Context) -> tuple[Taint, ...]:
    """Taints that the node has from its first moment on, so that no pod slips in before the coordinator sets them."""
    roles = context.rules.control_plane_taints if context.spec.is_control_plane else ()
    return (*(Taint(key, "NoSchedule") for key in roles), *context.spec.node.taints)


def api_server(context: Context) -> str:
    """URL of the API server that this host's kubelet talks to: its own, or the endpoint.

    A further control plane's registers through the endpoint, before there is an API server of its own.
    """
    spec = context.spec
    first = spec.etcd is not None and spec.etcd.initial_cluster_state == "new"
    if spec.is_control_plane and (first or spec.reaches("node")):
        return local_api(spec.node)
    return f"https://{endpoint(spec.cluster, spec.node, spec.peers)}"


def kubelet(context: Context) -> tuple[Resource, ...]:
    """kubelet's certificate, kubeconfig, configuration and unit, in this order."""
    spec = context.spec
    identity = certificate("kubelet", spec.cluster, spec.node, spec.peers)
    if identity is None:
        raise AssertionError("every host has a certificate for kubelet")
    algorithm, server = spec.cluster.key_algorithm, api_server(context)
    config = document(configuration(context))
    line = " ".join(f"--{flag}={value}" for flag, value in sorted(flags(context).items()))
    environment = f'KUBELET_KUBEADM_ARGS="{line}"\n'.encode()
    instance = document({"containerRuntimeEndpoint": runtime_endpoint(context)})
    resolv = _resolv_conf(context)
    settings = digest(config, environment, resolv, server.encode())
    program = next((a.sha256 for a in spec.artifacts if a.kind == "binary" and a.name == "kubelet"), "")
    # It tries to show its static pods as soon as an API server answers. The very first one refuses them until its
    # priority classes are made, and kubelet would try again a minute later: so it starts once more.
    complete = ("node",) if spec.reaches("node") else ()
    return (
        Folder(MANIFESTS, 0o755),
        CertificateFiles(identity, algorithm),
        Kubeconfig(identity, algorithm, server, spec.cluster.name, PKI / "ca.crt"),
        *((File(RESOLV_CONF, resolv),) if resolv else ()),
        File(KUBELET_CONFIG, config, unit=UNIT),
        *((File(INSTANCE_CONFIG, instance),) if context.rules.runtime_endpoint_in_config else ()),
        File(FLAGS_FILE, environment, unit=UNIT),
        File(KUBEADM_DROP_IN, b"", unit=UNIT),
        KubeletFiles(),
        Unit(UNIT, unit(context), restart_on=(settings, program, *complete)),
    )


def unit(context: Context) -> str:
    """The unit: kubeadm's drop-in 10-kubeadm.conf, and what it drops into."""
    return _UNIT.format(
        kubeconfig=shlex.quote(str(KUBERNETES / "kubelet.conf")),
        config=KUBELET_CONFIG,
        flags=FLAGS_FILE,
        defaults=DEFAULTS.get(context.facts.os_family, "/etc/default/kubelet"),
    )


def _resolv_conf(context: Context) -> bytes:
    """Where the host itself asks only loopback: its own address, at which nobody answers, and says so at once."""
    if context.facts.resolv_conf:
        return b""
    return f"nameserver {context.spec.node.address}\noptions timeout:1 attempts:1\n".encode()


def document(content: Mapping[str, object]) -> bytes:
    """YAML with sorted keys, as kubeadm writes it."""
    return yaml.safe_dump(dict(content), default_flow_style=False, sort_keys=True).encode()


def digest(*contents: bytes) -> str:
    return hashlib.sha256(b"\0".join(contents)).hexdigest()
