"""make bench-bootstrap: 3 control planes and 1 worker, from prepared hosts to every node and system pod Ready.

Side by side: ours (`kfctl init --config`, `kfctl join` on the others meanwhile) and the same version's kubeadm.
Both find binaries and images on every host. kubeadm's hosts are prepared before the clock starts (runtime, sysctls, pod
network, routes); ours are not, since that is a part of what the agents do. Both have their own defaults: kubeadm makes
RSA-2048 keys, we ECDSA P-256.
BENCH_ROUNDS: how many rounds, the medians count (1).
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.kubeadm_peer import Peer
from tests.cluster.checks import condition
from tests.cluster.operator import ADMIN, Operator
from tests.cluster.steps import Steps
from tests.lab import Host, Lab, bundle, each
from tests.lab.shell import LabError, say, until

VERSION = "v1.36.2"
NODES = 4
THINGS = ("pod ", "node ")
PODS = 4 * 3 + NODES + 2
"""Static pods of three control planes, kube-proxy, CoreDNS twice."""


def give(host: Host, binaries: str) -> None:
    """Binaries into that folder, images into containerd, pinned as both tools leave them."""
    place = bundle.ensure(VERSION)
    for path in (place / "bin").iterdir():
        host.put(path, f"{binaries}/{path.name}", 0o755)
    host.put(place / "images", "/root/images")
    for line in json.loads((place / "manifest.json").read_text())["artifacts"]:
        if line["kind"] == "image":
            file = f"/root/images/{Path(line['file']).name}"
            host.run("ctr", "-n=k8s.io", "images", "import", "--digests=false", file, timeout=300)
            name = line["ref"] if "." in line["ref"].partition("/")[0] else f"docker.io/library/{line['ref']}"
            host.run("ctr", "-n=k8s.io", "images", "label", name, "io.cri-containerd.pinned=pinned")
    host.run("rm", "-r", "/root/images")
    host.run("sync", timeout=120)


def until_ready(first: Host) -> None:
    """Until every node and every pod of kube-system is Ready."""

    def state() -> Any:
        said = first.run("kubectl", f"--kubeconfig={ADMIN}", "get", "nodes,pods", "-n=kube-system", "-o=json")
        return json.loads(said)["items"]

    def ready() -> bool:
        try:
            found = state()
        except LabError:
            return False
        nodes = [each for each in found if each["kind"] == "Node"]
        pods = [each for each in found if each["kind"] == "Pod"]
        complete = len(nodes) == NODES and len(pods) == PODS
        return complete and all(condition(each, "Ready") for each in found)

    until("every node and system pod is Ready", ready, 400, interval=0.5)


def moments(first: Host, begin: float) -> dict[str, float]:
    """When each node and pod became Ready, in seconds after the beginning (full seconds, as Kubernetes notes them)."""
    said = first.run("kubectl", f"--kubeconfig={ADMIN}", "get", "nodes,pods", "-n=kube-system", "-o=json")
    found = {}
    for thing in json.loads(said)["items"]:
        ready = next(each for each in thing["status"]["conditions"] if each["type"] == "Ready")
        moment = datetime.datetime.fromisoformat(ready["lastTransitionTime"].replace("Z", "+00:00")).timestamp()
        started = [each["state"]["running"]["startedAt"] for each in thing["status"].get("containerStatuses", ())]
        begun = [datetime.datetime.fromisoformat(each.replace("Z", "+00:00")).timestamp() for each in started]
        title = f"{thing['kind'].lower()} {thing['metadata']['name']} Ready"
        found[title + (f" (started {max(begun) - begin:.0f} s)" if begun else "")] = moment - begin
    return dict(sorted(found.items(), key=lambda item: item[1]))


def ours() -> tuple[float, dict[str, float]]:
    """Seconds, and the phases of the operation in seconds."""
    with Lab("bench-ours") as lab:
        operator = Operator.with_hosts(lab, "trixie", VERSION, 3, 1, with_vip=False)
        operator.install()
        with operator.steps.step("binaries and images to every host"):
            each(lambda host: give(host, f"/opt/kubefort/bin/{VERSION}"), operator.hosts)
            operator.first.put(bundle.ensure(VERSION), f"/var/lib/kubefort/coordinator/bundles/{VERSION}")
        start, clock = time.monotonic(), time.time()
        operator.bootstrap()
        done = time.monotonic() - start
        until_ready(operator.first)
        took = time.monotonic() - start
        phases = journal(operator, clock)
        print(operator.steps.table(), file=sys.stderr)
        return took, {**phases, "kfctl init returned": done, **moments(operator.first, clock)}


def journal(operator: Operator, begin: float) -> dict[str, float]:
    """Each phase's length in seconds; before them, what was needed until the operation began."""
    operation = json.loads(operator.first.run("kfctl", "operation", "list", "-o", "json"))[0]
    phases = {"before the operation": operation["created"] - begin}
    for number, phase in enumerate(operation["phases"], 1):
        phases[f"{number} {phase['title']}"] = phase["ended"] - phase["started"]
    return phases


def peer() -> tuple[float, dict[str, float]]:
    """As ours, by kubeadm."""
    with Lab("bench-kubeadm") as lab:
        names = ["cp1", "cp2", "cp3", "w1"]
        hosts = lab.create_all(dict.fromkeys(names, "trixie"))
        manifest = json.loads((bundle.ensure(VERSION) / "manifest.json").read_text())
        pause = next(line["ref"] for line in manifest["artifacts"] if line["name"] == "pause")
        kubeadm = Peer(hosts[:3], hosts[3:], VERSION, pause)
        steps = Steps()
        with steps.step("binaries and images to every host"):
            each(lambda host: give(host, "/usr/local/bin"), hosts)
            kubeadm.prepare()
        start, clock = time.monotonic(), time.time()
        with steps.step("kubeadm init and joins"):
            kubeadm.build()
        done = time.monotonic() - start
        until_ready(hosts[0])
        took = time.monotonic() - start
        return took, {"kubeadm's commands returned": done, **moments(hosts[0], clock)}


def main() -> int:
    rounds = int(os.environ.get("BENCH_ROUNDS", "1"))
    found: dict[str, list[float]] = {"ours": [], "peer": []}
    details: dict[str, dict[str, float]] = {}
    only = os.environ.get("BENCH_ONLY")
    for _ in range(rounds):
        for name, side in (("ours", ours), ("peer", peer)):
            if only in (None, "", name):
                took, details[name] = side()
                found[name].append(took)
                say(f"{name}: {took:.1f} s")
    for name, phases in details.items():
        for title, seconds in phases.items():
            print(f"{name:5} {title:60} {seconds:6.1f} s")
    if only:
        return 0
    phases = {title: round(seconds, 1) for title, seconds in details["ours"].items() if not title.startswith(THINGS)}
    mine, theirs = statistics.median(found["ours"]), statistics.median(found["peer"])
    print(
        json.dumps(
            {
                "bench": "bootstrap",
                "ours": round(mine, 1),
                "peer": round(theirs, 1),
                "ratio": round(mine / theirs, 2),
                "unit": "s",
                "version": VERSION,
                "rounds": rounds,
                "phases": phases,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
