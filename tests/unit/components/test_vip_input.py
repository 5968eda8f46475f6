from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kubefort import vipfile
from kubefort.errors import Unavailable
from kubefort.model.cluster import VirtualIP
from kubefort_agent.components.vip import vip_file
from kubefort_agent.components.vip_config import VipConfig, interface_of
from kubefort_agent.host import Host

from tests.unit.components.specs import CP1, CP2, EXISTING, KEYS, VIP, make_cluster, make_spec

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	01001E0A	0003	0	0	0	00000000	0	0	0
eth0	00001E0A	00000000	0001	0	0	0	00FFFFFF	0	0	0
bond7	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
eth1	0001F40A	0C001E0A	0003	0	0	0	00FFFFFF	0	0	0
"""
IPV6 = "fd000000000000000000000000000011 03 40 00 80 eth6\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/route").write_text(ROUTES)
    (tmp_path / "proc/net/if_inet6").write_text(IPV6)
    return tmp_path


@pytest.mark.parametrize(
    ("address", "interface"), [("10.30.0.11", "eth0"), ("10.9.9.9", "bond7"), ("fd00::11", "eth6")]
)
def test_the_interface_is_the_one_whose_network_holds_the_address(root: Path, address: str, interface: str) -> None:
    assert interface_of(address, root) == interface


@pytest.mark.parametrize("address", ["192.0.2.1", "fd00::12"])
def test_an_address_that_is_nowhere_has_no_interface(root: Path, address: str) -> None:
    with pytest.raises(Unavailable, match="no interface of this host"):
        interface_of(address, root)


def test_the_file_of_each_host() -> None:
    cluster = make_cluster(vip=VirtualIP("10.30.0.100", vrid=7, interval_ms=200))
    made = [
        vip_file(make_spec(cluster, node), VirtualIP("10.30.0.100", vrid=7, interval_ms=200), "eth0", {})
        for node in (CP1, CP2)
    ]
    assert [file.addresses for file in made] == [("10.30.0.100/32",)] * 2
    assert [file.source for file in made] == ["10.30.0.11", "10.30.0.12"]
    assert [file.peers for file in made] == [("10.30.0.12",), ("10.30.0.11",)]
    assert [file.priority for file in made] == [254, 253]
    assert {(file.vrid, file.interval_ms) for file in made} == {(7, 200)}
    assert made[1].health is not None
    assert made[1].health.url == "https://10.30.0.12:6443/readyz"
    assert made[1].health.ca_file == "/etc/kubernetes/pki/ca.crt"


def test_multicast_has_no_peers_and_a_prefix_is_kept() -> None:
    made = vip_file(make_spec(), VirtualIP("10.30.0.100/24", transport="multicast"), "eth0", {})
    assert (made.peers, made.addresses) == ((), ("10.30.0.100/24",))


def test_adverts_are_signed_with_the_last_key_and_all_are_accepted() -> None:
    made = vip_file(make_spec(vip_keys=KEYS), VIP, "eth0", {2: "bb" * 32, 1: "aa" * 32})
    assert (made.auth.mode, made.auth.send_key_id) == ("enforce", 2)
    assert [key.id for key in made.auth.keys] == [1, 2]


def test_the_host_that_shall_hold_the_address_is_the_first_and_preempts() -> None:
    made = [vip_file(make_spec(node=node, vip_holder="cp2"), VIP, "eth0", {}) for node in (CP1, CP2)]
    assert [(file.priority, file.preempt) for file in made] == [(253, False), (254, True)]
    usual = [vip_file(make_spec(node=node), VIP, "eth0", {}) for node in (CP1, CP2)]
    assert [(file.priority, file.preempt) for file in usual] == [(254, False), (253, False)]


@pytest.mark.parametrize(
    ("changes", "mode", "sent"),
    [
        ({"vip_auth": "receive-only", "vip_send_key": 1}, "receive-only", None),
        ({"vip_auth": "permissive", "vip_send_key": 1}, "permissive", 1),
        ({"vip_send_key": 1}, "enforce", 1),
        ({"vip_send_key": 2}, "enforce", 2),
    ],
)
def test_authentication_is_what_the_spec_says(changes: dict[str, Any], mode: str, sent: int | None) -> None:
    made = vip_file(make_spec(vip_keys=KEYS, **changes), VIP, "eth0", {1: "aa" * 32, 2: "bb" * 32})
    assert (made.auth.mode, made.auth.send_key_id, len(made.auth.keys)) == (mode, sent, 2)


def test_without_keys_adverts_are_not_signed() -> None:
    assert vip_file(make_spec(), VIP, "eth0", {}).auth.mode == "off"


async def test_the_file_is_made_of_kept_secrets_and_then_in_sync(root: Path) -> None:
    secrets = root / "var/lib/kubefort/secrets"
    secrets.mkdir(parents=True)
    for number in (1, 2):
        (secrets / f"vip-key-{number}").write_bytes(bytes([number]) * 32)
    host = Host(root=root)
    resource = VipConfig(make_spec(make_cluster(vip=VIP), CP2, etcd=EXISTING, vip_keys=KEYS))
    assert await resource.diff(host) == ("/etc/kubefort/vip.json: is missing",)
    await resource.apply(host)
    assert await resource.diff(host) == ()
    path = root / "etc/kubefort/vip.json"
    assert path.stat().st_mode & 0o777 == 0o600
    made = vipfile.load(path)
    assert made.interface == "eth0"
    assert [key.secret for key in made.auth.keys] == ["01" * 32, "02" * 32]


async def test_a_difference_never_shows_the_keys(root: Path) -> None:
    secrets = root / "var/lib/kubefort/secrets"
    secrets.mkdir(parents=True)
    (secrets / "vip-key-1").write_bytes(b"\x01" * 32)
    host = Host(root=root)
    resource = VipConfig(make_spec(make_cluster(vip=VIP), vip_keys=KEYS[:1]))
    await resource.apply(host)
    (root / "etc/kubefort/vip.json").write_text("{}")
    assert await resource.diff(host) == ("/etc/kubefort/vip.json: content differs",)


async def test_a_secret_that_is_not_there_yet_is_a_difference(root: Path) -> None:
    resource = VipConfig(make_spec(make_cluster(vip=VIP), vip_keys=KEYS[:1]))
    (line,) = await resource.diff(Host(root=root))
    assert "vip-key-1 is missing" in line
