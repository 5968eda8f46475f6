"""What must be true of a cluster. Each check raises LabError with what is missing."""

from __future__ import annotations

import json
from typing import Any

from tests.cluster.operator import Operator
from tests.lab import bundle
from tests.lab.shell import LabError

ECHO = "echo"


def condition(thing: Any, kind: str) -> bool:
    """Whether an object's status condition of that type is True."""
    return any(c["type"] == kind and c["status"] == "True" for c in thing["status"].get("conditions", []))


def nodes_ready(operator: Operator, timeout: float = 180.0) -> None:
    """Every host is a node and Ready, and says so since now (not by a state from before a power cut)."""
    expected = {host.name for host in operator.hosts}

    def ready() -> bool:
        found = {n["metadata"]["name"]: condition(n, "Ready") for n in operator.get("nodes")["items"]}
        return set(found) == expected and all(found.values())

    operator.retry(f"nodes {', '.join(sorted(expected))} Ready", ready, timeout)


def etcdctl(operator: Operator, *arguments: str) -> str:
    """etcdctl on the first control-plane host, with its health check's certificate."""
    pki = "/etc/kubernetes/pki/etcd"
    host = next(host for host in operator.control_planes if host.powered)
    return host.run(
        "etcdctl",
        "--endpoints=https://127.0.0.1:2379",
        f"--cacert={pki}/ca.crt",
        f"--cert={pki}/healthcheck-client.crt",
        f"--key={pki}/healthcheck-client.key",
        *arguments,
        env={"ETCDCTL_API": "3"},
    )


def etcd_whole(operator: Operator, timeout: float = 90.0) -> None:
    """One voting etcd member on each control-plane host, all healthy."""
    expected = {host.name for host in operator.control_planes}

    def whole() -> bool:
        members = json.loads(etcdctl(operator, "member", "list", "-w", "json"))["members"]
        voting = {member["name"] for member in members if not member.get("isLearner")}
        health = json.loads(etcdctl(operator, "endpoint", "health", "--cluster", "-w", "json"))
        return voting == expected and len(health) == len(expected) and all(one["health"] for one in health)

    operator.retry(f"etcd members {', '.join(sorted(expected))} healthy", whole, timeout)


def api_servers_ready(operator: Operator, timeout: float = 90.0) -> None:
    """Each control-plane host's own API server answers /readyz."""
    for host in operator.control_planes:
        arguments = ("--kubeconfig=/etc/kubernetes/admin.conf", f"--server=https://{host.address}:6443")

        def ready(host: Any = host, arguments: tuple[str, ...] = arguments) -> bool:
            said: str = host.run("kubectl", *arguments, "get", "--raw=/readyz")
            return said.strip() == "ok"

        operator.retry(f"API server of {host.name} ready", ready, timeout)


def system_pods_ready(operator: Operator, timeout: float = 400.0) -> None:
    """All pods of kube-system run and are Ready. Kubelet's back-off after crashes is up to five minutes."""
    chosen = [] if operator.has_dns else ["--selector=k8s-app!=kube-dns"]

    def ready() -> bool:
        pods = operator.get("pods", "--namespace=kube-system", *chosen)["items"]
        return bool(pods) and all(condition(pod, "Ready") for pod in pods)

    operator.retry("all pods of kube-system Ready", ready, timeout)


def echo_manifest(image: str) -> bytes:
    """A DaemonSet on every node, control planes too, that serves its node's name, and a Service before it."""
    serve = 'mkdir -p /tmp/www && echo "$NODE" > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www'
    container = {
        "name": ECHO,
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", serve],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    }
    labels = {"app": ECHO}
    pod = {"terminationGracePeriodSeconds": 1, "tolerations": [{"operator": "Exists"}], "containers": [container]}
    items = [
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": ECHO, "namespace": "default"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": ECHO, "namespace": "default"},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()


def deploy_echo(operator: Operator) -> None:
    """Run the pods that `pods_talk` talks to."""
    operator.kubectl("apply", "-f", "-", stdin=echo_manifest(bundle.TEST_IMAGE))


def echo_pods(operator: Operator, timeout: float = 180.0) -> dict[str, tuple[str, str]]:
    """Node's name → (pod's name, pod's address), once there is a Ready pod on each."""
    pods: dict[str, tuple[str, str]] = {}

    def ready() -> bool:
        pods.clear()
        for pod in operator.get("pods", "--selector=app=echo")["items"]:
            if condition(pod, "Ready") and "deletionTimestamp" not in pod["metadata"]:
                pods[pod["spec"]["nodeName"]] = (pod["metadata"]["name"], pod["status"]["podIP"])
        return set(pods) == {host.name for host in operator.hosts}

    operator.retry("an echo pod Ready on every node", ready, timeout)
    return pods


def get(address: str, port: int) -> str:
    """Shell command that prints what http://address:port/ serves. Not wget: a static glibc's crashes on bookworm."""
    return f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} {port} | tail -n 1"


def pods_talk(operator: Operator, timeout: float = 90.0) -> None:
    """From a pod on each node: every pod by its address, the Service by its address, and DNS for its name."""
    pods = echo_pods(operator)
    for node, (pod, _) in pods.items():
        fetch = " && ".join(get(address, 8080) for _, address in pods.values())

        def everybody(pod: str = pod, fetch: str = fetch) -> bool:
            return set(operator.kubectl("exec", pod, "--", "/bin/sh", "-c", fetch).split()) == set(pods)

        operator.retry(f"the pod on {node} reaches every pod", everybody, timeout)
        service = operator.get("service", ECHO)["spec"]["clusterIP"]

        def by_service(pod: str = pod, service: str = service) -> bool:
            return operator.kubectl("exec", pod, "--", "/bin/sh", "-c", get(service, 80)).strip() in pods

        operator.retry(f"the pod on {node} reaches the Service", by_service, timeout)

        def by_name(pod: str = pod, service: str = service) -> bool:
            name = f"{ECHO}.default.svc.cluster.local"
            return service in operator.kubectl("exec", pod, "--", "nslookup", name)

        if operator.has_dns:
            operator.retry(f"DNS answers the pod on {node}", by_name, timeout)


def vip_holders(operator: Operator) -> list[str]:
    """Names of the hosts that have the virtual IP on an interface."""
    holders = []
    for host in operator.control_planes:
        if host.powered:
            shown = json.loads(host.run("ip", "-j", "address", "show") or "[]")
            if any(a.get("local") == operator.vip for link in shown for a in link.get("addr_info", [])):
                holders.append(host.name)
    return holders


def one_holder(operator: Operator, timeout: float = 60.0) -> str:
    """The one host that holds the virtual IP."""
    holders: list[str] = []

    def one() -> bool:
        holders[:] = vip_holders(operator)
        return len(holders) == 1

    operator.retry(f"one holder of {operator.vip}", one, timeout)
    return holders[0]


def nothing_to_change(operator: Operator, timeout: float = 60.0) -> None:
    """`kfctl plan` says that nothing is to be changed (exit code 0; 3 would say the opposite)."""

    def nothing() -> bool:
        code, said = operator.first.run_coded("kfctl", "plan", check=False)
        if code != 0:
            raise LabError(f"kfctl plan: exit code {code}: {said}")
        return True

    operator.retry("kfctl plan has nothing to change", nothing, timeout)


def whole(operator: Operator, timeout: float = 400.0) -> None:
    """All of it: nodes, etcd, API servers, system pods, pods' data path, and one holder of the virtual IP."""
    nodes_ready(operator, timeout)
    etcd_whole(operator)
    api_servers_ready(operator)
    system_pods_ready(operator, timeout)
    pods_talk(operator)
    if operator.vip:
        one_holder(operator)
