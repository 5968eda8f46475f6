from __future__ import annotations

import msgspec
import pytest
from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS
from kubefort.model.cluster import Cluster, RunMode
from kubefort.model.operation import ConvertArguments, HostOverview, Overview, PhaseState

from tests.unit.kfctl.conftest import Kfctl
from tests.unit.kfctl.fakes import FakeCoordinator, operation

PODS: dict[str, RunMode] = dict.fromkeys(CONTROL_PLANE_COMPONENTS, "static-pod")
HOSTS = (
    HostOverview("cp1", "control-plane", "10.0.0.1", "node", 3, True, run_modes=PODS),
    HostOverview("cp2", "control-plane", "10.0.0.2", "node", 3, True, run_modes={**PODS, "etcd": "docker"}),
    HostOverview("w1", "worker", "10.0.0.3", "node", 3, True),
)
OVERVIEW = Overview("9.9.9", 1000.0, Cluster("v1.36.2"), HOSTS)


@pytest.fixture(autouse=True)
def overview(fake: FakeCoordinator) -> None:
    fake.overview = OVERVIEW
    fake.states = [operation("succeeded", kind="convert", title="Convert etcd to docker", phases=())]


def asked(fake: FakeCoordinator) -> ConvertArguments:
    (request,) = fake.requests("StartOperation")
    assert request.kind == "convert"
    return msgspec.json.decode(request.arguments, type=ConvertArguments)


def test_without_hosts_every_control_plane_host_is_meant(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    result = kfctl("convert", "--component", "etcd,kube-scheduler", "--to", "docker")
    assert result.exit_code == 0, result.output
    assert asked(fake) == ConvertArguments(("etcd", "kube-scheduler"), "docker", ("cp1", "cp2"), whole=True)
    assert "Convert etcd to docker: done." in result.output


def test_all_means_every_component(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    assert kfctl("convert", "--component", "all", "--to", "systemd", "--host", "cp2").exit_code == 0
    assert asked(fake) == ConvertArguments(CONTROL_PLANE_COMPONENTS, "systemd", ("cp2",))


def test_what_is_so_already_is_said_and_not_done(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    result = kfctl("convert", "--component", "etcd", "--to", "docker", "--host", "cp2")
    assert (result.exit_code, fake.requests("StartOperation")) == (0, [])
    assert "Run mode of etcd on cp2 is docker already: nothing is to be changed." in result.stdout


def test_a_dry_run_lists_the_phases(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.states = [operation(phases=(PhaseState("convert", "Run etcd of cp1 as docker"),))]
    result = kfctl("convert", "--component", "etcd", "--to", "docker", "--dry-run")
    assert "would:\n  Run etcd of cp1 as docker" in result.stdout
    assert fake.requests("StartOperation")[0].dry_run


def test_a_mode_that_does_not_exist_is_wrong_usage(kfctl: Kfctl) -> None:
    assert kfctl("convert", "--component", "etcd", "--to", "lxc").exit_code == 2
