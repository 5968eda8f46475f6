"""The product of components and run modes: what each makes of each."""

from __future__ import annotations

import configparser
import shlex
from typing import Any

import msgspec
import pytest
from kubefort.errors import InvalidInput
from kubefort.model.cluster import ComponentSettings, RunMode, Volume
from kubefort.model.spec import Artifact
from kubefort_agent.components import COMPONENTS, Component, Context, component
from kubefort_agent.desired import resources
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.resources import Container, DockerImage, StaticPod, Unit
from kubefort_agent.runmodes import RUN_MODES, docker, run, systemd

from tests.unit.components.specs import make_cluster, make_context, make_spec

FACTS = HostFacts(containerd_version="1.7.24")


def context(version: str = "v1.36.2", facts: HostFacts = FACTS, **cluster: Any) -> Context:
    made = make_context(version, facts=facts, **cluster)
    programs = tuple(Artifact("binary", name, "3" * 64, 1) for name in COMPONENTS)
    return Context(msgspec.structs.replace(made.spec, artifacts=(*made.spec.artifacts, *programs)), facts)


def unit(name: str, facts: HostFacts = FACTS, **cluster: Any) -> dict[str, dict[str, list[str]]]:
    """Section → key → values, lines joined as systemd joins them."""
    made = context(facts=facts, **cluster)
    (only,) = systemd.resources(component(name, made), made)
    assert isinstance(only, Unit)
    assert only.name == f"{name}.service"
    found: dict[str, dict[str, list[str]]] = {}
    for line in only.content.replace(" \\\n    ", " ").splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line:
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def container(name: str, facts: HostFacts = FACTS, **cluster: Any) -> Container:
    made = context(facts=facts, **cluster)
    image, only = docker.resources(component(name, made), made)
    assert isinstance(image, DockerImage)
    assert isinstance(only, Container)
    assert image.artifact.ref == only.image
    return only


@pytest.mark.parametrize("mode", RUN_MODES)
@pytest.mark.parametrize("name", COMPONENTS)
def test_each_mode_comes_in_the_place_of_the_others(name: str, mode: RunMode) -> None:
    made = context()
    found = {other: run(component(name, made), other, made)[-1] for other in RUN_MODES}
    runner = found[mode]
    assert isinstance(runner, StaticPod | Unit | Container)
    assert set(runner.replaces) == {found[other].key for other in RUN_MODES if other != mode}


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize("version", ["v1.20.2", "v1.36.2"])
def test_a_unit_runs_the_bundles_program_with_the_pods_arguments(name: str, version: str) -> None:
    made = context(version)
    wanted = component(name, made)
    (only,) = systemd.resources(wanted, made)
    assert isinstance(only, Unit)
    line = only.content.partition("ExecStart=")[2].replace(" \\\n    ", " ").splitlines()[0]
    assert shlex.split(line) == [f"/opt/kubefort/bin/{version}/{name}", *wanted.command[1:]]
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(only.content.replace(" \\\n    ", " "))
    assert parser.sections() == ["Unit", "Service", "Install"]


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_unit_never_gives_up_and_waits_for_no_network_to_be_online(name: str) -> None:
    found = unit(name)
    assert found["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert "online" not in " ".join(found["Unit"]["After"])
    assert found["Service"]["Restart"] == ["always"]
    assert found["Install"]["WantedBy"] == ["multi-user.target"]
    assert found["Unit"]["Description"][0].endswith("(Kubefort)")


@pytest.mark.parametrize(
    ("name", "writable"),
    [
        ("etcd", ["-/var/lib/etcd", "-/etc/kubernetes/pki/etcd"]),
        ("kube-apiserver", []),
        ("kube-controller-manager", []),
        ("kube-scheduler", []),
    ],
)
def test_a_unit_may_write_what_its_pod_may_write(name: str, writable: list[str]) -> None:
    service = unit(name)["Service"]
    assert service.get("ReadWritePaths", []) == writable
    assert service["ProtectSystem"] == ["strict"]


def test_volumes_and_flags_of_the_operator_reach_units_and_containers() -> None:
    settings = ComponentSettings(
        extra_args={"audit-log-path": "/var/log/a b/%d$x"},
        extra_volumes=(
            Volume("audit", "/var/log/audit", "/var/log/audit", read_only=False),
            Volume("policy", "/srv/policy", "/etc/policy"),
        ),
    )
    components = {"kube-apiserver": settings}
    service = unit("kube-apiserver", components=components)["Service"]
    assert service["ReadWritePaths"] == ["-/var/log/audit"]
    assert service["BindReadOnlyPaths"] == ["/srv/policy:/etc/policy"]
    assert '"--audit-log-path=/var/log/a b/%%d$$x"' in service["ExecStart"][0]
    made = container("kube-apiserver", components=components)
    assert "--audit-log-path=/var/log/a b/%d$x" in made.command
    assert ("/var/log/audit", "/var/log/audit", False) in made.mounts
    assert ("/srv/policy", "/etc/policy", True) in made.mounts


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("--a=b", "--a=b"),
        ("--a=b c", '"--a=b c"'),
        ('--a="b"', '"--a=\\"b\\""'),
        ("--a=100%", "--a=100%%"),
        ("--a=$HOME", "--a=$$HOME"),
        ("--a=b;c", '"--a=b;c"'),
        ("--a=\\n", '"--a=\\\\n"'),
        ("", '""'),
    ],
)
def test_words_are_read_back_unchanged_by_systemd(word: str, written: str) -> None:
    assert systemd.quoted(word) == written


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_container_is_the_pods_image_with_the_pods_arguments(name: str) -> None:
    made = context()
    wanted = component(name, made)
    found = container(name)
    assert (found.name, found.image, found.command) == (f"kubefort-{name}", wanted.image, wanted.command)
    assert found.mounts == tuple((m.host_path, m.mount_path, m.read_only) for m in wanted.mounts)


@pytest.mark.parametrize("restricted", [False, True])
def test_a_host_that_cannot_lower_the_score_is_not_asked_to(restricted: bool) -> None:
    facts = HostFacts(containerd_version="1.7.24", oom_restricted=restricted)
    assert container("etcd", facts).score == (None if restricted else -997)
    assert ("OOMScoreAdjust" in unit("etcd", facts)["Service"]) is not restricted


@pytest.mark.parametrize(("version", "wanted"), [(1, False), (2, True)])
def test_controllers_that_systemd_would_take_from_the_pods_are_not_asked_for(version: int, wanted: bool) -> None:
    found = unit("etcd", HostFacts(containerd_version="1.7.24", cgroup_version=version))["Service"]
    assert ("IOAccounting" in found, "CPUAccounting" in found) == (wanted, wanted)


def test_a_bundle_without_programs_is_named() -> None:
    made = make_context()
    with pytest.raises(InvalidInput, match=r"the bundle of v1\.36\.2 has no binary etcd") as caught:
        systemd.resources(component("etcd", made), made)
    assert "kfctl bundle create" in caught.value.hint


def test_a_run_mode_that_does_not_exist_is_refused() -> None:
    made = context()
    with pytest.raises(InvalidInput, match="there is no run mode lxc"):
        run(component("etcd", made), "lxc", made)  # type: ignore[arg-type]


def test_modes_are_mixed_at_will() -> None:
    modes: dict[str, RunMode] = {"etcd": "systemd", "kube-apiserver": "docker", "kube-scheduler": "docker"}
    components = {name: ComponentSettings(run_mode=mode) for name, mode in modes.items()}
    spec = make_spec(make_cluster(components=components))
    programs = (*spec.artifacts, Artifact("binary", "etcd", "3" * 64, 1))
    found = resources(msgspec.structs.replace(spec, artifacts=programs), FACTS)
    keys = [resource.key for resource in found]
    order = [
        "binary etcd v1.36.2",
        "unit kubelet.service",
        "unit docker.service",
        "unit etcd.service",
        "docker image registry.k8s.io/kube-apiserver:tag",
        "container kubefort-kube-apiserver",
        "static-pod kube-controller-manager",
        "docker image registry.k8s.io/kube-scheduler:tag",
        "container kubefort-kube-scheduler",
    ]
    assert [key for key in keys if key in order] == order
    assert len(set(keys)) == len(keys)
    assert not {"static-pod etcd", "static-pod kube-apiserver"} & set(keys)


def test_docker_is_started_only_where_something_needs_it() -> None:
    assert "unit docker.service" not in [resource.key for resource in resources(make_spec(), FACTS)]


def test_etcd_is_the_one_that_must_not_run_twice() -> None:
    made = context()
    found: list[Component] = [component(name, made) for name in COMPONENTS]
    assert [each.name for each in found if each.exclusive] == ["etcd"]
    assert {each.name: each.ports for each in found} == {
        "etcd": (2381, 2379, 2380),
        "kube-apiserver": (6443,),
        "kube-controller-manager": (10257,),
        "kube-scheduler": (10259,),
    }
