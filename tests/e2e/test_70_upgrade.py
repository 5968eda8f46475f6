"""A rolling upgrade of a cluster that is used: nobody notices. In order."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cluster import checks
from tests.cluster.load import Available, Load
from tests.cluster.operator import ADMIN, Operator
from tests.lab import Lab, bundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

OLD, NEW = "v1.35.6", "v1.36.2"
NEW_BUNDLE = "/root/bundle-new"
WEB = "web"


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Operator:
    operator = Operator.with_hosts(lab, "trixie", OLD, 3, 1)
    operator.build()
    checks.deploy_echo(operator)
    operator.kubectl("apply", "-f", "-", stdin=web_manifest(), timeout=60)
    operator.kubectl("rollout", "status", f"deployment/{WEB}", "--timeout=180s", timeout=200)
    checks.whole(operator)
    operator.first.put(bundle.ensure(NEW), NEW_BUNDLE)
    return operator


def web_manifest() -> bytes:
    """Three pods that may run anywhere, of which two must always be available."""
    labels = {"app": WEB}
    container = {
        "name": WEB,
        "image": bundle.TEST_IMAGE,
        "imagePullPolicy": "Never",
        "command": [
            "/bin/sh",
            "-c",
            "mkdir -p /tmp/www && echo here > /tmp/www/index.html && exec httpd -f -p 8081 -h /tmp/www",
        ],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8081}, "periodSeconds": 1},
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
    }
    pod = {
        "terminationGracePeriodSeconds": 1,
        # Not every taint: a cordoned node has one as well, and pods that bear it come back for ever.
        "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
        "topologySpreadConstraints": [spread],
        "containers": [container],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": WEB, "namespace": "default"},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": WEB, "namespace": "default"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": labels}},
    }
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [deployment, budget]}).encode()


def test_nobody_notices_the_upgrade(operator: Operator, tmp_path: Path) -> None:
    kubeconfig = operator.first.read(ADMIN)
    with Load(operator.vip, kubeconfig, tmp_path) as load:
        with Available(load, WEB) as available:
            begin = time.monotonic()
            with operator.steps.step(f"kfctl upgrade apply {NEW} under load"):
                operator.first.run("kfctl", "upgrade", "apply", NEW, f"--bundle={NEW_BUNDLE}", timeout=1500)
            took = time.monotonic() - begin
            time.sleep(2)
        load.settle()
        operator.steps.figure("upgrade", f"{took:.0f} s")
        operator.steps.figure("load", load.summary())
        print(f"{operator.steps.table()}\n{load.reasons()}")
        assert load.failed == []
        assert load.missed() == 0
        assert available.fewest >= 2
    assert load.done > 5 * took


def test_everything_is_new_and_whole(operator: Operator) -> None:
    nodes = operator.get("nodes")["items"]
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {NEW}
    assert not any(node["spec"].get("unschedulable") for node in nodes)
    pods = operator.get("pods", "--namespace=kube-system")["items"]
    images = {c["image"].rpartition("/")[2] for pod in pods for c in pod["spec"]["containers"]}
    assert not any(OLD in image for image in images), images
    checks.whole(operator)
    checks.nothing_to_change(operator)


def test_a_second_upgrade_has_nothing_to_do(operator: Operator) -> None:
    code, said = operator.first.run_coded("kfctl", "upgrade", "plan", NEW, check=False)
    assert code == 0
    assert "already" in said
