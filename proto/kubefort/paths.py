"""Where things lie on a host. Ours under kubefort's folders, Kubernetes' where kubeadm puts them."""

from __future__ import annotations

from pathlib import Path

CONFIG = Path("/etc/kubefort")
STATE = Path("/var/lib/kubefort")
RUN = Path("/run/kubefort")

AGENT_CONFIG = CONFIG / "agent.yaml"
AGENT_CONFIG_DEFAULT = Path("/usr/share/kubefort/agent.yaml")
OPERATOR_CONFIG = CONFIG / "kfctl.yaml"
VIP_CONFIG = CONFIG / "vip.json"

IDENTITY = STATE / "identity"
COORDINATOR = STATE / "coordinator"
ARTIFACTS = STATE / "artifacts"
SPEC = STATE / "spec.json"
OWNED = STATE / "owned.json"

KUBERNETES = Path("/etc/kubernetes")
PKI = KUBERNETES / "pki"
MANIFESTS = KUBERNETES / "manifests"
KUBELET = Path("/var/lib/kubelet")
ETCD_DATA = Path("/var/lib/etcd")

ENROLMENT_PORT = 7443
FLEET_PORT = 7444
