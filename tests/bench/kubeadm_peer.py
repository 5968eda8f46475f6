"""The peer: the same hosts made a cluster by kubeadm of the same version, with the same kind of pod network."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from tests.lab import Host, each

CONTAINERD = """version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
"""
KUBELET = """[Service]
Environment="BOOTSTRAP=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf"
Environment="CONFIG=--kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet $BOOTSTRAP $CONFIG $KUBELET_KUBEADM_ARGS
Restart=always
StartLimitInterval=0
RestartSec=10
[Install]
WantedBy=multi-user.target
"""
CNI = """{{"cniVersion": "0.3.1", "name": "peer", "plugins": [
 {{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
  "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{subnet}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
 {{"type": "portmap", "capabilities": {{"portMappings": true}}}}]}}
"""
# What this lab's hosts need (cgroup version 1, no conntrack sysctls); else kubeadm's defaults.
CONFIG = """apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{{token: {token}}}]
certificateKey: {key}
localAPIEndpoint: {{advertiseAddress: {address}}}
nodeRegistration: {{ignorePreflightErrors: [SystemVerification]}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {version}
controlPlaneEndpoint: "{address}:6443"
networking: {{podSubnet: 10.244.0.0/16}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
conntrack: {{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
"""


@dataclass(frozen=True)
class Peer:
    """Hosts for kubeadm; what a distribution's packages and an operator's preparation bring is done by `prepare`."""

    control_planes: list[Host]
    workers: list[Host]
    version: str
    pause: str

    @property
    def hosts(self) -> list[Host]:
        return [*self.control_planes, *self.workers]

    def subnet(self, host: Host) -> str:
        return f"10.244.{self.hosts.index(host)}.0/24"

    def prepare(self) -> None:
        """Runtime, kubelet's unit, sysctls, pod network and routes: not part of what is measured."""
        each(self._prepare, self.hosts)

    def _prepare(self, host: Host) -> None:
        host.write("/etc/containerd/config.toml", CONTAINERD.format(pause=self.pause))
        host.run("systemctl", "restart", "containerd")
        host.write("/etc/systemd/system/kubelet.service", KUBELET)
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "enable", "kubelet")
        for name in ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"):
            host.run("sysctl", "-w", f"{name}=1")
        host.write("/etc/cni/net.d/10-peer.conflist", CNI.format(subnet=self.subnet(host)))
        for other in self.hosts:
            if other != host:
                host.run("ip", "route", "replace", self.subnet(other), "via", other.address)

    def build(self) -> None:
        """`kubeadm init`, then control planes one after another (kubeadm's own advice), workers beside them."""
        first = self.control_planes[0]
        token = f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"
        key = secrets.token_hex(32)
        config = CONFIG.format(token=token, key=key, address=first.address, version=self.version)
        first.write("/root/kubeadm.yaml", config)
        first.run("kubeadm", "init", "--config=/root/kubeadm.yaml", "--upload-certs", timeout=600)
        join = (
            *("kubeadm", "join", f"{first.address}:6443", f"--token={token}"),
            *("--discovery-token-unsafe-skip-ca-verification", "--ignore-preflight-errors=SystemVerification"),
        )

        def control_planes(_: Host) -> None:
            for host in self.control_planes[1:]:
                own = (f"--apiserver-advertise-address={host.address}", f"--certificate-key={key}")
                host.run(*join, "--control-plane", *own, timeout=600)

        def start(host: Host) -> None:
            control_planes(host) if host == first else host.run(*join, timeout=600)

        each(start, [first, *self.workers])
