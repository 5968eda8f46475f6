"""kube-proxy as kubeadm installs it (cmd/kubeadm/app/phases/addons/proxy)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kubefort.kubeadm.versions import Rules
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Artifact

from kubefort_coordinator.kubernetes.objects.shapes import (
    BOOTSTRAPPERS,
    SYSTEM,
    Object,
    account,
    binding,
    config_map,
    group,
    image,
    readable_config_map,
    service_account,
    to_yaml,
)

_NAME = "kube-proxy"
_FOLDER = "/var/lib/kube-proxy"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def kube_proxy(cluster: Cluster, rules: Rules, artifacts: Sequence[Artifact]) -> list[Object]:
    """Account, rights, configuration, DaemonSet."""
    data = {
        "config.conf": to_yaml(proxy_configuration(cluster)),
        "kubeconfig.conf": to_yaml(_kubeconfig(cluster)),
    }
    configuration = config_map(_NAME, SYSTEM, data)
    configuration["metadata"]["labels"] = {"app": _NAME}
    return [
        service_account(_NAME),
        binding("kubeadm:node-proxier", "system:node-proxier", [account(_NAME)]),
        *readable_config_map(_NAME, _NAME, [group(BOOTSTRAPPERS)], SYSTEM),
        configuration,
        _daemon_set(rules, image(artifacts, _NAME)),
    ]


def proxy_configuration(cluster: Cluster) -> Object:
    """KubeProxyConfiguration; `patch` of the component kube-proxy is merged into it.

    The connection-tracking limits are the host's (0: leave alone), not kube-proxy's as with kubeadm: where /proc/sys
    cannot be written, a container say, kube-proxy would end instead of serving.
    """
    document: Object = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": "::" if ":" in cluster.service_subnets[0] else "0.0.0.0",  # noqa: S104 - kubeadm's own
        "clientConnection": {"kubeconfig": f"{_FOLDER}/kubeconfig.conf"},
        "clusterCIDR": ",".join(cluster.pod_subnets),
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        "mode": "",
    }
    return merged(document, cluster.component(_NAME).patch)


def merged(document: Mapping[str, object], patch: Mapping[str, object]) -> Object:
    """JSON merge patch (RFC 7386): null removes, objects merge, everything else replaces."""
    result: Object = dict(document)
    for key, value in patch.items():
        present = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(present if isinstance(present, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def _kubeconfig(cluster: Cluster) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "default",
                "cluster": {
                    "certificate-authority": f"{_ACCOUNT}/ca.crt",
                    "server": f"https://{cluster.endpoint}",
                },
            }
        ],
        "contexts": [{"name": "default", "context": {"cluster": "default", "namespace": "default", "user": "default"}}],
        "current-context": "default",
        "users": [{"name": "default", "user": {"tokenFile": f"{_ACCOUNT}/token"}}],
    }


def _daemon_set(rules: Rules, reference: str) -> Object:
    labels = {"k8s-app": _NAME}
    tolerations: list[Object] = [{"operator": "Exists"}]
    if rules.minor < 22:
        tolerations.insert(0, {"key": "CriticalAddonsOnly", "operator": "Exists"})
    container: Object = {
        "name": _NAME,
        "image": reference,
        "imagePullPolicy": "IfNotPresent",
        "command": [
            "/usr/local/bin/kube-proxy",
            f"--config={_FOLDER}/config.conf",
            "--hostname-override=$(NODE_NAME)",
        ],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "securityContext": {"privileged": True},
        "volumeMounts": [
            {"name": _NAME, "mountPath": _FOLDER},
            {"name": "xtables-lock", "mountPath": "/run/xtables.lock"},
            {"name": "lib-modules", "mountPath": "/lib/modules", "readOnly": True},
        ],
    }
    pod: Object = {
        "containers": [container],
        "hostNetwork": True,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "priorityClassName": "system-node-critical",
        "serviceAccountName": _NAME,
        "tolerations": tolerations,
        "volumes": [
            {"name": _NAME, "configMap": {"name": _NAME}},
            {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}},
            {"name": "lib-modules", "hostPath": {"path": "/lib/modules"}},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": _NAME, "namespace": SYSTEM, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
            "updateStrategy": {"type": "RollingUpdate"},
        },
    }
