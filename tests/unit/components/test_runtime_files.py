from __future__ import annotations

import json
from typing import Any

import pytest
from kubefort.errors import InvalidInput
from kubefort.model.spec import Node
from kubefort_agent.components import Context
from kubefort_agent.components.runtime import cni_config, containerd_config, pod_network, runtime
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.resources import File, Unit

from tests.unit.components.specs import make_context, make_spec

tomllib = pytest.importorskip("tomllib", reason="Python 3.11 and newer read TOML")


def config(**facts: Any) -> dict[str, Any]:
    parsed = tomllib.loads(containerd_config(make_context(facts=HostFacts(**facts))).decode())
    assert isinstance(parsed, dict)
    return parsed


@pytest.mark.parametrize("version", ["", "1.6.20", "1.7.24"])
def test_containerd_1(version: str) -> None:
    made = config(containerd_version=version, cgroup_driver="systemd", cni_bin_dir="/usr/lib/cni")
    cri = made["plugins"]["io.containerd.grpc.v1.cri"]
    assert made["version"] == 2
    assert cri["sandbox_image"] == "registry.k8s.io/pause:tag"
    assert cri["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": True}
    assert cri["containerd"]["runtimes"]["runc"]["runtime_type"] == "io.containerd.runc.v2"
    assert cri["cni"] == {"bin_dir": "/usr/lib/cni", "conf_dir": "/etc/cni/net.d"}


@pytest.mark.parametrize(
    ("version", "cni"), [("2.0.4", {"bin_dir": "/opt/cni/bin"}), ("2.1.0", {"bin_dirs": ["/opt/cni/bin"]})]
)
def test_containerd_2(version: str, cni: dict[str, Any]) -> None:
    made = config(containerd_version=version, cgroup_driver="cgroupfs")
    run = made["plugins"]["io.containerd.cri.v1.runtime"]
    assert made["version"] == 3
    assert made["plugins"]["io.containerd.cri.v1.images"]["pinned_images"] == {"sandbox": "registry.k8s.io/pause:tag"}
    assert run["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": False}
    assert run["cni"] == cni | {"conf_dir": "/etc/cni/net.d"}


@pytest.mark.parametrize("version", ["1.7.24", "2.1.0"])
@pytest.mark.parametrize("restricted", [True, False])
def test_a_host_that_cannot_lower_oom_scores(version: str, restricted: bool) -> None:
    made = config(containerd_version=version, oom_restricted=restricted)
    plugins = made["plugins"]
    cri = plugins.get("io.containerd.grpc.v1.cri") or plugins["io.containerd.cri.v1.runtime"]
    assert cri["restrict_oom_score_adj"] is restricted


def test_the_cri_plugin_is_never_disabled_and_settings_of_others_are_read() -> None:
    made = config(containerd_version="1.7.24")
    assert "disabled_plugins" not in made
    assert made["imports"] == ["/etc/containerd/conf.d/*.toml"]


def test_only_debian_keeps_containerd_out_of_opt() -> None:
    opt = "io.containerd.internal.v1.opt"
    assert config(os_family="debian")["plugins"][opt] == {"path": "/var/lib/containerd"}
    assert opt not in config(os_family="el")["plugins"]


def test_containerd_is_restarted_when_its_configuration_changes() -> None:
    units = []
    for driver in ("systemd", "cgroupfs"):
        units += [r for r in runtime(make_context(facts=HostFacts(cgroup_driver=driver))) if isinstance(r, Unit)]
    assert [unit.name for unit in units] == ["containerd.service"] * 2
    assert [unit.content for unit in units] == ["", ""]
    assert units[0].restart_on != units[1].restart_on


def test_a_bundle_without_pause_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no image pause"):
        containerd_config(Context(make_spec(artifacts=()), HostFacts()))


def test_pods_get_addresses_of_the_hosts_cidrs() -> None:
    node = Node("cp1", "10.30.0.11", "control-plane", ("10.244.3.0/24", "fd00:2:0:3::/64"))
    made = json.loads(cni_config(make_context(node=node)))
    bridge, portmap = made["plugins"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.244.3.0/24"}], [{"subnet": "fd00:2:0:3::/64"}]]
    assert bridge["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    assert bridge["ipMasq"] is False
    assert portmap["capabilities"] == {"portMappings": True}


def test_the_pod_network_is_left_alone_where_it_is_not_ours() -> None:
    assert [r.path.name for r in pod_network(make_context()) if isinstance(r, File)] == ["10-kubefort.conflist"]
    assert pod_network(make_context(pod_network="manifest")) == ()
    assert pod_network(make_context(node=Node("cp1", "10.30.0.11", "control-plane"))) == ()
