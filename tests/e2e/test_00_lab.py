"""The lab itself: what every other test of this folder relies on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import CommandError, Host, HostOff, Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("selftest") as lab:
        lab.create_all({"one": "trixie", "two": "bookworm"})
        yield lab


@pytest.fixture(scope="module")
def one(lab: Lab) -> Host:
    return lab.host("one")


@pytest.fixture(scope="module")
def two(lab: Lab) -> Host:
    return lab.host("two")


def reaches(host: Host, other: Host) -> bool:
    return host.run_coded("ping", "-c1", "-W1", other.address, check=False, timeout=10)[0] == 0


def test_hosts_are_alike_and_each_has_its_own_identity(one: Host, two: Host) -> None:
    assert one.wait_boot() == two.wait_boot() == "running"
    assert one.run("hostname").strip() == "one"
    assert len(one.read("/etc/machine-id").strip()) == 32
    assert one.read("/etc/machine-id") != two.read("/etc/machine-id")
    assert one.address in one.run("ip", "-4", "addr", "show", "eth0")


def test_commands_run_inside_and_fail_with_their_output(one: Host) -> None:
    with pytest.raises(CommandError, match="No such file") as failed:
        one.run("cat", "/nowhere")
    assert failed.value.code == 1
    assert one.run_coded("sh", "-c", "exit 7", check=False)[0] == 7
    assert one.run("cat", "/proc/1/comm").strip() == "systemd"
    with pytest.raises(CommandError, match="in time"):
        one.run("sleep", "30", timeout=0.3)


@pytest.mark.parametrize("name", ["one", "two"])
def test_containerd_and_docker_run_containers(lab: Lab, name: str) -> None:
    host = lab.host(name)
    host.run("mkdir", "-p", "/var/tmp/root/bin")
    host.run("cp", "/bin/busybox", "/var/tmp/root/bin/")
    said = host.run("ctr", "run", "--rm", "--rootfs", "/var/tmp/root", "lab-ctr", "/bin/busybox", "echo", "from ctr")
    assert said == "from ctr\n"
    host.run("systemctl", "start", "docker", timeout=90)
    host.run("sh", "-c", "tar -C /var/tmp/root -c . | docker import - tiny")
    # A negative score needs a capability that this machine may lack: the host's runc sees to it.
    said = host.run("docker", "run", "--rm", "--oom-score-adj=-500", "tiny", "/bin/busybox", "echo", "from docker")
    assert said == "from docker\n"
    host.run("systemctl", "stop", "docker", "docker.socket")


def test_a_power_cut_loses_what_was_not_synced_and_only_that(lab: Lab, one: Host, two: Host) -> None:
    for host in (one, two):
        host.run("sh", "-c", "echo kept >/var/lib/kept && sync /var/lib/kept")
        host.run("sh", "-c", "echo lost >/var/lib/lost && mv /var/lib/lost /var/lib/renamed && echo x >>/etc/hosts")
    names = one.read("/etc/hosts")
    lab.cut_power()
    assert not one.powered
    with pytest.raises(HostOff):
        one.run("true")
    lab.restore_power(wait=True)
    for host in (one, two):
        assert host.read("/var/lib/kept") == "kept\n"
        assert not host.exists("/var/lib/lost")
        assert not host.exists("/var/lib/renamed") or host.read("/var/lib/renamed") == ""
    assert one.read("/etc/hosts") != names
    assert one.run("cat", "/var/lib/kept") == "kept\n"


def test_a_crash_keeps_what_was_written(one: Host) -> None:
    one.write("/var/lib/written", "still here")
    one.crash()
    assert not one.powered
    one.start()
    assert one.wait_boot() == "running"
    assert one.read("/var/lib/written") == "still here"


def test_a_pulled_cable_and_a_partition_stop_the_traffic(lab: Lab, one: Host, two: Host) -> None:
    assert reaches(one, two)
    one.pull_cable()
    assert one.read("/sys/class/net/eth0/carrier").strip() == "0"
    assert not reaches(one, two)
    one.plug_cable()
    assert one.read("/sys/class/net/eth0/carrier").strip() == "1"
    assert reaches(one, two)
    lab.partition([one], [two])
    assert not reaches(one, two)
    assert not reaches(two, one)
    lab.heal()
    assert reaches(one, two)


def test_a_full_disk_and_a_wrong_clock(one: Host) -> None:
    one.fill_disk("/var")
    assert "No space left" in one.run("dd", "if=/dev/zero", "of=/var/tmp/more", "bs=1M", "count=8", check=False)
    one.free_disk("/var")
    one.run("dd", "if=/dev/zero", "of=/var/tmp/more", "bs=1M", "count=8")
    ahead = int(one.run(*one.with_clock(3600, "date", "+%s"))) - int(one.run("date", "+%s"))
    assert 3590 < ahead < 3610
