"""Essential flags by minor; kubeadm's complete output is compared in tests/conformance."""

from __future__ import annotations

import pytest
from kubefort.errors import InvalidInput
from kubefort.model.cluster import ComponentSettings, Volume
from kubefort.model.spec import Node
from kubefort_agent.components import Component, Context, component
from kubefort_agent.host.facts import HostFacts

from tests.unit.components.specs import CP2, EXISTING, make_cluster, make_context, make_spec

API, MANAGER, SCHEDULER = "kube-apiserver", "kube-controller-manager", "kube-scheduler"


def flags(name: str, context: Context) -> dict[str, str]:
    return dict(component(name, context).args)


def mounts(made: Component) -> dict[str, str]:
    return {mount.name: mount.mount_path for mount in made.mounts}


@pytest.mark.parametrize(
    ("name", "flag", "last"),
    [(API, "insecure-port", 21), (MANAGER, "port", 22), (SCHEDULER, "port", 22)],
)
def test_flags_that_close_insecure_ports_end_with_the_ports(name: str, flag: str, last: int) -> None:
    having = [minor for minor in range(20, 38) if flags(name, make_context(f"v1.{minor}.0")).get(flag) == "0"]
    assert having == list(range(20, last + 1))


# field notes of 1.36: each of these makes the program exit.
FATAL = {
    API: {"insecure-port", "insecure-bind-address", "kubelet-https", "cloud-provider", "cloud-config", "logtostderr"},
    MANAGER: {"port", "address", "pod-eviction-timeout", "enable-taint-manager"},
    SCHEDULER: {"port", "address", "policy-config-file", "algorithm-provider"},
}


@pytest.mark.parametrize("name", FATAL)
@pytest.mark.parametrize("version", ["v1.24.0", "v1.36.2", "v1.37.0", "v1.40.0"])
def test_no_flag_that_newer_programs_refuse(name: str, version: str) -> None:
    assert not set(flags(name, make_context(version))) & FATAL[name]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v1.20.2", {"snapshot-count": "10000"}),
        ("v1.22.0", {"snapshot-count": "10000", "experimental-initial-corrupt-check": "true"}),
        (
            "v1.33.1",
            {
                "snapshot-count": "10000",
                "experimental-initial-corrupt-check": "true",
                "experimental-watch-progress-notify-interval": "5s",
            },
        ),
        (
            "v1.36.2",
            {
                "snapshot-count": "10000",
                "feature-gates": "InitialCorruptCheck=true",
                "watch-progress-notify-interval": "5s",
            },
        ),
    ],
)
def test_etcds_flags_by_version(version: str, expected: dict[str, str]) -> None:
    made = flags("etcd", make_context(version))
    several = ("snapshot-count", "feature-gates")
    assert {f: v for f, v in made.items() if f in several or "corrupt" in f or "progress" in f} == expected


def test_the_first_member_begins_a_cluster() -> None:
    made = flags("etcd", make_context())
    assert made["initial-cluster"] == "cp1=https://10.30.0.11:2380"
    assert "initial-cluster-state" not in made


def test_a_later_member_joins_the_cluster_that_exists() -> None:
    made = flags("etcd", Context(make_spec(node=CP2, etcd=EXISTING), HostFacts()))
    assert made["name"] == "cp2"
    assert made["initial-cluster"] == "cp1=https://10.30.0.11:2380,cp2=https://10.30.0.12:2380"
    assert made["initial-cluster-state"] == "existing"


def test_a_control_plane_host_without_membership_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cp1 says nothing about its etcd member"):
        component("etcd", Context(make_spec(etcd=None), HostFacts()))


def test_a_bundle_without_the_image_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no image kube-scheduler"):
        component(SCHEDULER, Context(make_spec(artifacts=()), HostFacts()))


def test_ipv6_addresses_are_in_brackets() -> None:
    context = make_context(node=Node("six", "fd00::11", "control-plane"))
    etcd = flags("etcd", context)
    assert etcd["listen-client-urls"] == "https://[::1]:2379,https://[fd00::11]:2379"
    assert etcd["listen-metrics-urls"] == "http://[::1]:2381"
    assert component("etcd", context).liveness.host == "::1"
    assert flags(API, context)["etcd-servers"] == "https://[::1]:2379"
    assert flags(API, context)["advertise-address"] == "fd00::11"


def test_two_families_of_subnets() -> None:
    context = make_context(
        service_subnets=("10.96.0.0/12", "fd00:1::/108"), pod_subnets=("10.244.0.0/16", "fd00:2::/56")
    )
    assert flags(API, context)["service-cluster-ip-range"] == "10.96.0.0/12,fd00:1::/108"
    assert flags(MANAGER, context)["cluster-cidr"] == "10.244.0.0/16,fd00:2::/56"


@pytest.mark.parametrize(("network", "allocates"), [("routed", "false"), ("manifest", "true")])
def test_who_gives_nodes_their_pod_cidrs(network: str, allocates: str) -> None:
    assert flags(MANAGER, make_context(pod_network=network))["allocate-node-cidrs"] == allocates


def test_encryption_at_rest() -> None:
    plain, encrypted = component(API, make_context()), component(API, make_context(encryption_at_rest=True))
    assert "encryption-provider-config" not in dict(plain.args)
    path = dict(encrypted.args)["encryption-provider-config"]
    assert path.startswith(mounts(encrypted)["encryption"] + "/")


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("debian", {"ca-certs", "etc-ca-certificates", "usr-local-share-ca-certificates", "usr-share-ca-certificates"}),
        ("el", {"ca-certs", "etc-pki-ca-trust", "etc-pki-tls-certs"}),
        ("unknown", {"ca-certs"}),
    ],
)
def test_the_hosts_authorities_by_distribution(family: str, names: set[str]) -> None:
    made = component(API, make_context(facts=HostFacts(os_family=family)))
    assert set(mounts(made)) == names | {"k8s-certs"}


def test_what_the_operator_adds_and_overrides() -> None:
    settings = ComponentSettings(
        extra_args={"event-ttl": "2h", "allow-privileged": "false"},
        extra_volumes=(Volume("audit", "/var/log/audit", "/audit", read_only=False),),
        patch={"spec": {"dnsPolicy": "Default"}},
    )
    made = component(API, make_context(components={API: settings}))
    assert dict(made.args)["event-ttl"] == "2h"
    assert dict(made.args)["allow-privileged"] == "false"
    assert list(made.args) == sorted(made.args)
    assert made.mounts[-1].host_path == "/var/log/audit"
    assert not made.mounts[-1].read_only
    assert made.patch == {"spec": {"dnsPolicy": "Default"}}


def test_settings_of_one_component_leave_the_others_alone() -> None:
    settings = {API: ComponentSettings(extra_args={"v": "4"})}
    assert "v" not in flags(SCHEDULER, make_context(components=settings))
    assert make_cluster(components=settings) != make_cluster()
