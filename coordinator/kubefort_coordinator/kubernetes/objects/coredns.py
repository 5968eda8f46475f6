"""CoreDNS as kubeadm installs it (cmd/kubeadm/app/phases/addons/dns)."""

from __future__ import annotations

from collections.abc import Sequence

from kubefort.kubeadm.addresses import dns_address
from kubefort.kubeadm.versions import Rules
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Artifact

from kubefort_coordinator.kubernetes.objects.shapes import (
    SYSTEM,
    Object,
    account,
    binding,
    config_map,
    image,
    role,
    rule,
    service_account,
)

_NAME = "coredns"
_LABELS = {"k8s-app": "kube-dns"}
_HEALTH, _READY = 8080, 8181


def coredns(cluster: Cluster, rules: Rules, artifacts: Sequence[Artifact]) -> list[Object]:
    """Rights, Corefile, Deployment, and the Service at the tenth service address."""
    return [
        service_account(_NAME),
        role("system:coredns", _rights(rules)),
        binding("system:coredns", "system:coredns", [account(_NAME)]),
        config_map(_NAME, SYSTEM, {"Corefile": corefile(cluster.domain, rules)}),
        _service(dns_address(cluster), rules),
        _deployment(image(artifacts, _NAME), rules),
    ]


def corefile(domain: str, rules: Rules) -> str:
    """CoreDNS' configuration."""
    cache = "    cache 30\n"
    if rules.minor >= 32:
        cache = f"    cache 30 {{\n       disable success {domain}\n       disable denial {domain}\n    }}\n"
    return (
        ".:53 {\n"
        "    errors\n"
        "    health {\n"
        "       lameduck 5s\n"
        "    }\n"
        "    ready\n"
        f"    kubernetes {domain} in-addr.arpa ip6.arpa {{\n"
        "       pods insecure\n"
        "       fallthrough in-addr.arpa ip6.arpa\n"
        "       ttl 30\n"
        "    }\n"
        "    prometheus :9153\n"
        "    forward . /etc/resolv.conf {\n"
        "       max_concurrent 1000\n"
        "    }\n"
        f"{cache}"
        "    loop\n"
        "    reload\n"
        "    loadbalance\n"
        "}\n"
    )


def _rights(rules: Rules) -> list[Object]:
    rights = [rule(["endpoints", "services", "pods", "namespaces"], ["list", "watch"])]
    if rules.minor < 26:
        rights.append(rule(["nodes"], ["get"]))
    # Before 1.22 kubeadm does not give it, for its CoreDNS did not ask: a bundle may hold a newer one.
    return [*rights, rule(["endpointslices"], ["list", "watch"], group="discovery.k8s.io")]


def _service(address: str, rules: Rules) -> Object:
    ports = [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP")]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "namespace": SYSTEM,
            "annotations": {"prometheus.io/port": "9153", "prometheus.io/scrape": "true"},
            "labels": {
                **_LABELS,
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS" if rules.minor >= 21 else "KubeDNS",
            },
        },
        "spec": {
            "clusterIP": address,
            "ports": [{"name": n, "port": p, "protocol": t, "targetPort": p} for n, p, t in ports],
            "selector": _LABELS,
        },
    }


def _deployment(reference: str, rules: Rules) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _NAME, "namespace": SYSTEM, "labels": _LABELS},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": _LABELS},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": {"metadata": {"labels": _LABELS}, "spec": _pod(reference, rules)},
        },
    }


def _pod(reference: str, rules: Rules) -> Object:
    keys = [*(["node-role.kubernetes.io/master"] if rules.minor < 25 else []), "node-role.kubernetes.io/control-plane"]
    apart = {
        "weight": 100,
        "podAffinityTerm": {
            "labelSelector": {"matchExpressions": [{"key": "k8s-app", "operator": "In", "values": ["kube-dns"]}]},
            "topologyKey": "kubernetes.io/hostname",
        },
    }
    return {
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [apart]}},
        "containers": [_container(reference, rules)],
        "dnsPolicy": "Default",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": _NAME,
        "tolerations": [
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
            *({"key": key, "effect": "NoSchedule"} for key in keys),
        ],
        "volumes": [
            {"name": "config-volume", "configMap": {"name": _NAME, "items": [{"key": "Corefile", "path": "Corefile"}]}}
        ],
    }


def _container(reference: str, rules: Rules) -> Object:
    ports = [("dns", 53, "UDP"), ("dns-tcp", 53, "TCP"), ("metrics", 9153, "TCP")]
    if rules.named_probe_ports:
        ports += [("liveness-probe", _HEALTH, "TCP"), ("readiness-probe", _READY, "TCP")]
    health: object = "liveness-probe" if rules.named_probe_ports else _HEALTH
    ready: object = "readiness-probe" if rules.named_probe_ports else _READY
    return {
        "name": _NAME,
        "image": reference,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"name": n, "containerPort": p, "protocol": t} for n, p, t in ports],
        "livenessProbe": {
            "failureThreshold": 5,
            "httpGet": {"path": "/health", "port": health, "scheme": "HTTP"},
            "initialDelaySeconds": 60,
            "successThreshold": 1,
            "timeoutSeconds": 5,
        },
        "readinessProbe": {"httpGet": {"path": "/ready", "port": ready, "scheme": "HTTP"}, "periodSeconds": 2},
        "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL" if rules.minor >= 25 else "all"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns", "readOnly": True}],
    }
