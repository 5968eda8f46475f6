from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubefort.model.cluster import ComponentSettings, Taint
from kubefort.model.spec import Node
from kubefort_agent.components import Context
from kubefort_agent.components.kubelet import configuration, flags, kubelet
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.resources import File, Kubeconfig, Unit

from tests.unit.components.specs import CP1, W1, make_cluster, make_context, make_spec

CONFIG, FLAGS, INSTANCE = (
    Path("/var/lib/kubelet") / name for name in ("config.yaml", "kubeadm-flags.env", "instance-config.yaml")
)


def files(context: Context) -> dict[Path, str]:
    return {r.path: r.content.decode() for r in kubelet(context) if isinstance(r, File)}


def unit(context: Context) -> Unit:
    (made,) = (r for r in kubelet(context) if isinstance(r, Unit))
    return made


@pytest.mark.parametrize(
    ("version", "runtime"),
    [
        ("v1.20.2", {"container-runtime", "container-runtime-endpoint"}),
        ("v1.25.0", {"container-runtime", "container-runtime-endpoint", "pod-infra-container-image"}),
        ("v1.33.0", {"container-runtime-endpoint", "pod-infra-container-image"}),
        ("v1.34.0", {"pod-infra-container-image"}),
        ("v1.36.2", set()),
    ],
)
def test_flags_by_version(version: str, runtime: set[str]) -> None:
    made = flags(make_context(version, W1))
    assert set(made) == {"hostname-override", "node-ip"} | runtime
    assert (made["hostname-override"], made["node-ip"]) == ("w1", "10.30.0.21")


@pytest.mark.parametrize("version", ["v1.27.0", "v1.35.6", "v1.36.2", "v1.39.0"])
def test_no_flag_that_newer_kubelets_refuse(version: str) -> None:
    gone = {"container-runtime", "network-plugin"}
    gone |= {"pod-infra-container-image"} if version > "v1.35" else set()
    assert not set(flags(make_context(version))) & gone


@pytest.mark.parametrize(
    ("node", "version", "taints"),
    [
        (CP1, "v1.20.2", "node-role.kubernetes.io/master=:NoSchedule"),
        (CP1, "v1.36.2", "node-role.kubernetes.io/control-plane=:NoSchedule"),
        (W1, "v1.36.2", None),
        (
            Node("w2", "10.30.0.22", "worker", taints=(Taint("gpu", "NoExecute", "yes"),)),
            "v1.36.2",
            "gpu=yes:NoExecute",
        ),
    ],
)
def test_a_node_has_its_taints_from_its_first_moment(node: Node, version: str, taints: str | None) -> None:
    assert flags(make_context(version, node)).get("register-with-taints") == taints


def test_what_kubelet_believes_and_whom() -> None:
    made: Any = configuration(make_context())
    assert made["authentication"]["anonymous"] == {"enabled": False}
    assert made["authentication"]["x509"] == {"clientCAFile": "/etc/kubernetes/pki/ca.crt"}
    assert made["authorization"]["mode"] == "Webhook"
    assert (made["clusterDNS"], made["clusterDomain"]) == (["10.96.0.10"], "cluster.local")
    assert made["rotateCertificates"] is True
    assert made["staticPodPath"] == "/etc/kubernetes/manifests"


@pytest.mark.parametrize(
    ("version", "cgroup", "expected"), [("v1.30.0", 1, None), ("v1.31.0", 1, False), ("v1.36.2", 2, None)]
)
def test_cgroup_v1_is_not_refused_where_the_host_has_it(version: str, cgroup: int, expected: bool | None) -> None:
    facts = HostFacts(cgroup_version=cgroup, cgroup_driver="cgroupfs")
    made = configuration(make_context(version, facts=facts))
    assert made.get("failCgroupV1") is expected
    assert made["cgroupDriver"] == "cgroupfs"


@pytest.mark.parametrize(("version", "where"), [("v1.33.0", FLAGS), ("v1.34.0", CONFIG)])
def test_where_the_runtimes_endpoint_stands(version: str, where: Path) -> None:
    context = make_context(version, facts=HostFacts(runtime_socket="/run/crio/crio.sock"))
    made = files(context)
    assert {path for path in (CONFIG, FLAGS) if "unix:///run/crio/crio.sock" in made[path]} == {where}
    assert (INSTANCE in made) == (where == CONFIG)


def test_a_host_with_only_loopback_name_servers_gets_a_file_of_its_own() -> None:
    made = files(make_context(node=W1, facts=HostFacts(resolv_conf="")))
    path = yaml.safe_load(made[CONFIG])["resolvConf"]
    servers = [line.split()[1] for line in made[Path(path)].splitlines() if line.startswith("nameserver")]
    assert servers == ["10.30.0.21"]


def test_the_hosts_own_file_is_used_where_it_serves() -> None:
    resolved = "/run/systemd/resolve/resolv.conf"
    made = files(make_context(facts=HostFacts(resolv_conf=resolved)))
    assert yaml.safe_load(made[CONFIG])["resolvConf"] == resolved
    assert not [path for path in made if path.name == "resolv.conf"]


@pytest.mark.parametrize(
    ("node", "endpoint", "server"),
    [
        (CP1, "10.30.0.100:6443", "https://10.30.0.11:6443"),
        (W1, "10.30.0.100:6443", "https://10.30.0.100:6443"),
        (W1, "", "https://10.30.0.11:6443"),
    ],
)
def test_whom_kubelet_talks_to(node: Node, endpoint: str, server: str) -> None:
    (made,) = (r for r in kubelet(make_context(node=node, endpoint=endpoint)) if isinstance(r, Kubeconfig))
    assert made.server == server
    assert str(made.path) == "/etc/kubernetes/kubelet.conf"


@pytest.mark.parametrize(
    "changed",
    [
        make_context(facts=HostFacts(cgroup_driver="cgroupfs")),
        make_context(domain="example.org"),
        make_context(components={"kubelet": ComponentSettings(extra_args={"v": "4"})}),
        make_context(facts=HostFacts(resolv_conf="")),
        Context(make_spec(artifacts=()), HostFacts()),
    ],
)
def test_kubelet_is_restarted_when_what_it_reads_changes(changed: Context) -> None:
    assert unit(changed).restart_on != unit(make_context()).restart_on
    assert unit(make_context()) == unit(make_context())


def test_a_worker_whose_endpoint_moves_restarts_kubelet() -> None:
    before, after = (unit(make_context(node=W1, endpoint=e)) for e in ("10.30.0.100:6443", "10.30.0.101:6443"))
    assert before.restart_on != after.restart_on


def test_the_unit_reads_kubeadms_files_and_runs_our_kubelet() -> None:
    text = unit(make_context()).content
    assert "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\n" in text
    assert "EnvironmentFile=-/etc/default/kubelet\n" in text
    assert "ExecStart=/usr/local/bin/kubelet " in text
    assert "--config=/var/lib/kubelet/config.yaml" in text
    red = unit(make_context(facts=HostFacts(os_family="el"))).content
    assert "EnvironmentFile=-/etc/sysconfig/kubelet\n" in red


def test_an_operators_settings() -> None:
    settings = ComponentSettings(extra_args={"v": "2"}, patch={"maxPods": 50, "authentication": {"webhook": None}})
    context = Context(make_spec(make_cluster(components={"kubelet": settings})), HostFacts())
    made: Any = configuration(context)
    assert made["maxPods"] == 50
    assert set(made["authentication"]) == {"anonymous", "x509"}
    assert "--v=2" in files(context)[FLAGS]


def test_kubeadms_drop_in_is_hidden_by_an_empty_file() -> None:
    made = {r.path: r for r in kubelet(make_context()) if isinstance(r, File)}
    drop_in = made[Path("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf")]
    assert (drop_in.content, drop_in.unit) == (b"", "kubelet.service")
