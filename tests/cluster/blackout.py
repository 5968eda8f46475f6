"""The power of all hosts is cut at once and comes back; nobody touches anything until the cluster is whole."""

from __future__ import annotations

import time
from typing import Any

from tests.cluster import checks
from tests.cluster.operator import Operator
from tests.lab.shell import LabError

WITNESS = "written-before-the-blackout"


def survive(operator: Operator) -> None:
    """Cut the power of all hosts right after a write was acknowledged; the write and everything else is back."""
    stamp = f"{time.time():.3f}"
    operator.kubectl("create", "configmap", WITNESS, f"--from-literal=stamp={stamp}")
    with operator.steps.step("cut the power of all hosts"):
        operator.lab.cut_power()
    with operator.steps.step("power back to every node Ready"):
        start = time.monotonic()
        operator.lab.restore_power()
        operator.retry("the API answers", lambda: operator.kubectl("get", "--raw=/readyz").strip() == "ok", 180)
        operator.steps.figure("power back to /readyz", f"{time.monotonic() - start:.1f} s")
        heartbeats(operator)
        checks.nodes_ready(operator)
    with operator.steps.step("check the cluster after the power cut"):
        found = operator.get("configmap", WITNESS)["data"]["stamp"]
        if found != stamp:
            raise LabError(f"ConfigMap {WITNESS}, acknowledged before the cut, says {found!r}, not {stamp!r}")
        checks.whole(operator)
        operator.kubectl("delete", "configmap", WITNESS)


def heartbeats(operator: Operator) -> None:
    """Every kubelet renews its node's lease: a node's Ready from before the cut proves nothing."""

    def renewals() -> dict[str, Any]:
        leases = operator.get("leases", "--namespace=kube-node-lease")["items"]
        return {lease["metadata"]["name"]: lease["spec"]["renewTime"] for lease in leases}

    before = renewals()

    def renewed() -> bool:
        now = renewals()
        return all(now.get(host.name, "") > before.get(host.name, "") for host in operator.hosts)

    operator.retry("every kubelet renews its lease", renewed, 180)
