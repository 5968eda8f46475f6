from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from kubefort.model.cluster import Cluster, VirtualIP
from kubefort.model.spec import Node, NodeSpec
from kubefort.model.status import Check
from kubefort_agent.host import Host
from kubefort_agent.preflight import disks, machine, network, ports, preflight, registry
from kubefort_agent.preflight import programs as program_checks

if TYPE_CHECKING:
    from tests.unit.agent.conftest import Programs
else:
    Programs = Any

Place = Callable[[str, str], Path]

WORKER = NodeSpec(1, Cluster("v1.36.2"), Node("n1", "192.0.2.1", "worker"), "enrolled")
MASTER = msgspec.structs.replace(WORKER, node=Node("n1", "192.0.2.1", "control-plane"))
ROUTES = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"


def named(checks: Iterable[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.mark.parametrize(
    ("spec", "size", "severity"),
    [(MASTER, 1500, "error"), (MASTER, 1800, ""), (WORKER, 500, "warning"), (WORKER, 800, "")],
)
async def test_memory(host: Host, place: Place, spec: NodeSpec, size: int, severity: str) -> None:
    place("/proc/meminfo", f"MemTotal:       {size * 10**6 // 1024} kB\n")
    found = named(await machine.memory(host, spec))
    assert (found["Mem"].severity if found else "") == severity


@pytest.mark.parametrize("cpus", [1, 2])
async def test_processors(host: Host, monkeypatch: pytest.MonkeyPatch, cpus: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cpus)))
    assert bool(await machine.processors(host, MASTER)) == (cpus < 2)
    assert await machine.processors(host, WORKER) == []


@pytest.mark.parametrize("name", ["Node1", "node_1", "-a", "a..b", "a" * 64])
async def test_names_that_are_no_dns_names(host: Host, name: str) -> None:
    spec = msgspec.structs.replace(WORKER, node=Node(name, "192.0.2.1", "worker"))
    (check,) = await machine.host_name(host, spec)
    assert check.severity == "error"
    assert "hostnamectl set-hostname" in check.hint


async def test_a_dotted_name_is_fine_and_loopback_in_hosts_is_told(
    host: Host, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "n1.example.org")
    spec = msgspec.structs.replace(WORKER, node=Node("n1.example.org", "192.0.2.1", "worker"))
    assert await machine.host_name(host, spec) == []
    place("/etc/hosts", "127.0.1.1 n1.example.org n1  # installer\n")
    (check,) = await machine.host_name(host, spec)
    assert (check.severity, "127.0.1.1" in check.message) == ("warning", True)


async def test_control_groups_that_are_missing_are_named(host: Host, place: Place) -> None:
    place("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu pids")
    (check,) = await machine.system(host, WORKER)
    assert "memory" in check.message


async def test_swap_is_only_told(host: Host, place: Place) -> None:
    place("/proc/swaps", "Filename\n/dev/sda2 partition 1 0 -2\n")
    (check,) = await machine.swap_areas(host, WORKER)
    assert check.severity == "warning"


async def test_a_clock_that_nobody_keeps(host: Host, programs: Programs) -> None:
    programs.add("timedatectl", "print('no')")
    (check,) = await machine.time_sync(host, WORKER)
    assert check.name == "TimeSync"
    programs.add("timedatectl", "print('yes')")
    assert await machine.time_sync(host, WORKER) == []


async def test_ports_in_use_are_errors_that_name_the_program(host: Host, place: Place, programs: Programs) -> None:
    row = "   0: 00000000:{:04X} 00000000:0000 {} 00000000:00000000 00:00000000 00000000 0 0 1\n"
    table = row.format(6443, "0A") + row.format(2379, "01") + row.format(10250, "0A")
    place("/proc/net/tcp", "  sl local_address rem_address st\n" + table)
    programs.add("ss", """print('LISTEN 0 4096 *:6443 *:* users:(("haproxy",pid=7,fd=3))')""")
    found = named(await ports.free(host, MASTER))
    assert set(found) == {"Port-6443", "Port-10250"}
    assert "haproxy (process 7)" in found["Port-6443"].message
    assert set(named(await ports.free(host, WORKER))) == {"Port-10250"}


async def test_another_clusters_folders(host: Host, place: Place) -> None:
    place("/var/lib/etcd/member/snap/db", "data")
    place("/etc/kubernetes/manifests/etcd.yaml", "kind: Pod")
    found = named(await disks.empty_folders(host, MASTER))
    assert set(found) == {"DirAvailable--var-lib-etcd", "DirAvailable--etc-kubernetes-manifests"}
    assert set(named(await disks.empty_folders(host, WORKER))) == {"DirAvailable--etc-kubernetes-manifests"}


async def test_a_slow_disk_is_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "_fsync_latency", lambda folder: 0.042)
    (check,) = await disks.etcd_latency(host, MASTER)
    assert "42 ms" in check.message
    assert await disks.etcd_latency(host, WORKER) == []


async def test_no_room(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 10 * 2**20})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    found = await disks.room(host, WORKER)
    assert [(check.severity, "10 MiB are free" in check.message) for check in found] == [
        ("error", True),
        ("warning", True),
    ]


async def test_programs_that_are_missing_come_with_their_package(host: Host, place: Place, programs: Programs) -> None:
    place("/etc/os-release", "ID=rocky\nID_LIKE='rhel centos fedora'\n")
    found = named(await program_checks.existing(host, WORKER))
    assert found["FileExisting-ip"].severity == "error"
    assert found["FileExisting-ip"].hint == "dnf install iproute"
    assert found["FileExisting-socat"].severity == "warning"
    assert "FileExisting-systemctl" not in found


async def test_conntrack_is_needed_by_old_versions_only(host: Host) -> None:
    old = msgspec.structs.replace(WORKER, cluster=Cluster("v1.20.2"))
    assert named(await program_checks.existing(host, old))["FileExisting-conntrack"].severity == "error"
    assert named(await program_checks.existing(host, WORKER))["FileExisting-conntrack"].severity == "warning"


async def test_a_host_without_containerd(host: Host) -> None:
    (check,) = await program_checks.runtime(host, WORKER)
    assert (check.name, check.severity) == ("CRI", "error")


async def test_a_disabled_cri_plugin_is_told(host: Host, place: Place, programs: Programs) -> None:
    programs.add("containerd")
    await host.systemd.start("containerd.service")
    place("/etc/containerd/config.toml", 'disabled_plugins = ["cri"]\n')
    (check,) = await program_checks.runtime(host, WORKER)
    assert (check.severity, "CRI plugin is disabled" in check.message) == ("warning", True)


async def test_subnets_that_the_host_routes_elsewhere(host: Host, place: Place) -> None:
    place("/proc/net/route", ROUTES + "eth0 0000600A 00000000 0001 0 0 0 0000FFFF 0 0 0\n")
    (check,) = await network.subnets(host, WORKER)
    assert "service subnet 10.96.0.0/12 overlaps 10.96.0.0/16" in check.message
    place("/proc/net/route", ROUTES + "eth0 00000000 0102000A 0003 0 0 0 00000000 0 0 0\n")
    assert await network.subnets(host, WORKER) == []


async def test_an_address_that_is_not_ours(host: Host, place: Place) -> None:
    place("/proc/net/fib_trie", "           |-- 192.0.2.1\n              /32 host LOCAL\n")
    assert await network.own_address(host, WORKER) == []
    place("/proc/net/fib_trie", "           |-- 192.0.2.7\n              /32 host LOCAL\n")
    (check,) = await network.own_address(host, WORKER)
    assert "its addresses are 192.0.2.7" in check.message


async def test_a_virtual_ip_that_somebody_holds(host: Host, programs: Programs) -> None:
    cluster = Cluster("v1.36.2", vip=VirtualIP("192.0.2.100/24"))
    spec = msgspec.structs.replace(MASTER, cluster=cluster)
    programs.add("ping")
    programs.add("ip", "print('192.0.2.100 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE')")
    (check,) = await network.virtual_ip(host, spec)
    assert "02:00:00:00:00:01" in check.message
    programs.add("ip", "print('192.0.2.100 dev eth0 FAILED')")
    assert await network.virtual_ip(host, spec) == []


async def test_ignored_errors_are_warnings_and_a_broken_check_is_no_verdict(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def bad(host: Host, spec: NodeSpec) -> list[Check]:
        return [Check("NumCPU", "error", "1"), Check("Mem", "error", "2")]

    async def broken(host: Host, spec: NodeSpec) -> list[Check]:
        raise OSError("no such thing")

    monkeypatch.setattr(registry, "checkers", lambda: (bad, broken))
    spec = msgspec.structs.replace(WORKER, ignored_checks=("numcpu",))
    found = await preflight(host, spec)
    assert [(check.name, check.severity) for check in found] == [
        ("Mem", "error"),
        ("NumCPU", "warning"),
        ("broken", "warning"),
    ]


async def test_all_checks_run_on_any_host_and_all_errors_come_with_a_hint(host: Host) -> None:
    found = await preflight(host, MASTER)
    assert any(check.name == "CRI" for check in found)
    assert all(check.hint for check in found if check.severity == "error")
    assert not [check for check in found if "this check itself failed" in check.message]


async def test_a_check_that_fails_itself_does_not_silence_the_others(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd(host: Host, spec: NodeSpec) -> list[Check]:
        raise ValueError("an odd file")

    async def sound(host: Host, spec: NodeSpec) -> list[Check]:
        return [Check("NumCPU", "error", "1 processor")]

    monkeypatch.setattr(registry, "checkers", lambda: (odd, sound))
    found = await preflight(host, NodeSpec(1, Cluster("v1.36.2"), Node("n1", "192.0.2.1", "worker"), "enrolled"))
    assert [(check.name, check.severity) for check in found] == [("NumCPU", "error"), ("odd", "warning")]
    assert found[1].message == "this check itself failed: an odd file"
