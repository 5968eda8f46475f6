"""Run modes: the control plane of a living cluster becomes units, then Docker's containers, then static pods again.

Under 20 writes a second and 50 watches through the virtual IP. In order.
"""

from __future__ import annotations

import json

import pytest

from tests.cluster import blackout, checks
from tests.cluster.clients import Load
from tests.cluster.operator import Operator
from tests.lab import Host, Lab

pytestmark = [pytest.mark.timeout(3000), pytest.mark.slow]

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Operator:
    operator = Operator.with_hosts(lab, "trixie", "v1.36.2", 3, 0)
    operator.build()
    checks.deploy_echo(operator)
    checks.whole(operator)
    for number in range(100):
        operator.kubectl("create", "configmap", f"kept-{number}", f"--from-literal=n={number}")
    return operator


def members(operator: Operator) -> dict[str, int]:
    """etcd's members: name → id."""
    listed = json.loads(checks.etcdctl(operator, "member", "list", "-w", "json"))["members"]
    return {member["name"]: member["ID"] for member in listed}


def ways(host: Host, component: str) -> list[str]:
    """The run modes in which a component runs on a host: one, if all is well."""
    found = []
    if host.exists(f"/etc/kubernetes/manifests/{component}.yaml"):
        found.append("static-pod")
    if host.run_coded("systemctl", "is-active", f"{component}.service", check=False)[1].strip() == "active":
        found.append("systemd")
    if host.run_coded("systemctl", "is-active", "docker.service", check=False)[1].strip() == "active":
        named = host.run("docker", "ps", "--format={{.Names}}").split()
        found += ["docker"] if f"kubefort-{component}" in named else []
    return found


def all_run(operator: Operator, components: tuple[str, ...], mode: str) -> None:
    found = {(host.name, each): ways(host, each) for host in operator.control_planes for each in components}
    assert found == {each: [mode] for each in found}


@pytest.mark.parametrize("mode", ["systemd", "docker", "static-pod"])
def test_all_components_are_converted_under_load(operator: Operator, mode: str) -> None:
    before = members(operator)
    with Load(operator) as load, operator.steps.step(f"convert everything to {mode} under load"):
        operator.first.run("kfctl", "convert", "--component=all", f"--to={mode}", timeout=1500)
    verdict = load.verdict()
    operator.steps.figure(f"load while converting to {mode}", json.dumps(verdict))
    print(operator.steps.table(), *load.broken, *load.failed, sep="\n")
    all_run(operator, COMPONENTS, mode)
    assert members(operator) == before
    assert (verdict["failed"], verdict["missed_events"]) == (0, 0), (load.failed, verdict)
    assert load.lost() == []
    kept = {item["metadata"]["name"] for item in operator.get("configmaps")["items"]}
    assert {f"kept-{number}" for number in range(100)} <= kept
    checks.whole(operator)
    checks.nothing_to_change(operator)


def test_a_second_conversion_changes_nothing(operator: Operator) -> None:
    said = operator.first.run("kfctl", "convert", "--component=all", "--to=static-pod", timeout=60)
    assert "nothing is to be changed" in said


def test_mixed_modes_survive_a_power_cut_of_all_hosts(operator: Operator) -> None:
    mixed = {"etcd": "docker", "kube-apiserver": "systemd", "kube-scheduler": "docker"}
    for component, mode in mixed.items():
        operator.first.run("kfctl", "convert", f"--component={component}", f"--to={mode}", timeout=900)
    operator.first.run("kfctl", "convert", "--component=etcd", "--to=systemd", "--host=cp2", timeout=600)
    blackout.survive(operator)
    print(operator.steps.table())
    assert ways(operator.control_planes[1], "etcd") == ["systemd"]
    for component, mode in mixed.items():
        assert ways(operator.first, component) == [mode], component
    assert ways(operator.first, "kube-controller-manager") == ["static-pod"]
    checks.nothing_to_change(operator, 120)


@pytest.mark.parametrize(
    ("component", "harm"),
    [
        ("kube-apiserver", ("systemctl", "disable", "--now", "kube-apiserver.service")),
        ("kube-scheduler", ("docker", "stop", "kubefort-kube-scheduler")),
        ("kube-scheduler", ("docker", "rm", "-f", "kubefort-kube-scheduler")),
    ],
)
def test_what_somebody_stops_comes_back(operator: Operator, component: str, harm: tuple[str, ...]) -> None:
    host = operator.control_planes[2]
    (mode,) = ways(host, component)
    host.run(*harm, timeout=90)
    operator.retry(f"{component} runs again as {mode}", lambda: ways(host, component) == [mode], 60)
