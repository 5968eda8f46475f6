"""Bad input and faults: each ends in success or in one clear error with a next step, and the host can join afterwards.

Two hosts, in order: `one` becomes a cluster after everything that can keep it from that; `two` joins it after the same.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.cluster import checks
from tests.cluster.operator import BUNDLE, CLUSTER_FILE, JOIN, Operator
from tests.cluster.typed import Typed
from tests.lab import Host, Lab, bundle
from tests.lab.shell import LabError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
VERSION = "v1.36.2"
FAILED, UNREACHABLE, INTERRUPTED = 1, 4, 130
INIT = ("kfctl", "init", f"--bundle={BUNDLE}")


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Operator:
    one, two = lab.create_all({"one": "trixie", "two": "trixie"})
    operator = Operator(lab, "trixie", VERSION, [one], [two])
    operator.install()
    one.put(bundle.ensure(VERSION), BUNDLE)
    return operator


@pytest.fixture
def one(operator: Operator) -> Host:
    return operator.first


@pytest.fixture
def two(operator: Operator) -> Host:
    return operator.workers[0]


def fails(host: Host, *argv: str, code: int = FAILED, says: tuple[str, ...], timeout: float = 120) -> str:
    """The command ends with that code and says these (regular expressions), the next step among them."""
    found, said = host.run_coded(*argv, check=False, timeout=timeout)
    assert found == code, f"exit code {found}\n{said}"
    for expected in says:
        assert re.search(expected, said, re.IGNORECASE), f"no {expected!r} in:\n{said}"
    assert "Traceback" not in said, said
    return said


def join_command(operator: Operator, *arguments: str) -> list[str]:
    said = operator.first.run("kfctl", "token", "create", *arguments)
    found = JOIN.search(said)
    assert found is not None, said
    return found[0].split()


def changed(words: list[str], option: str, value: str) -> list[str]:
    """The command with another value of that option."""
    place = words.index(option) + 1
    return [*words[:place], value, *words[place + 1 :]]


def reset_two(operator: Operator, two: Host) -> None:
    operator.first.run("kfctl", "reset", two.name, "--yes", timeout=300)


# -- what keeps `kfctl init` from a cluster


def test_a_corrupt_bundle(one: Host, operator: Operator) -> None:
    one.run("cp", "-r", "--reflink=auto", BUNDLE, "/root/corrupt")
    one.run("dd", "if=/dev/urandom", "of=/root/corrupt/images/etcd.tar", "bs=1k", "count=1", "seek=9", "conv=notrunc")
    fails(one, "kfctl", "bundle", "verify", "/root/corrupt", says=("etcd.tar", "damaged|checksum"))
    fails(one, "kfctl", "init", "--bundle=/root/corrupt", says=("etcd.tar is damaged", "copy the bundle again"))
    one.run("rm", "-r", "/root/corrupt")


def test_a_disk_that_is_full_in_mid_bundle(one: Host, operator: Operator) -> None:
    one.fill_disk("/var/lib", leave_mib=150)
    try:
        fails(one, *INIT, says=("No space left", "free space"))
    finally:
        one.free_disk("/var/lib")


def test_subnets_that_overlap(one: Host, operator: Operator) -> None:
    fails(one, *INIT, "--pod-network-cidr=10.96.0.0/16", says=("overlap", r"10\.96\.0\.0/1[26]"))


def test_subnets_that_the_host_routes_elsewhere(one: Host, operator: Operator) -> None:
    net = f"{one.address.rpartition('.')[0]}.0/24"
    said = fails(one, *INIT, f"--pod-network-cidr={net}", says=("overlap|inside", re.escape(net)))
    assert "kubernetes" not in one.run("ls", "/etc").split(), said


def test_a_foreign_etcd_data_folder(one: Host, operator: Operator) -> None:
    one.run("mkdir", "-p", "/var/lib/etcd/member/wal")
    fails(one, *INIT, says=(r"\[DirAvailable--var-lib-etcd\]", "mv /var/lib/etcd", "kfctl operation resume|again"))
    assert one.exists("/var/lib/etcd/member/wal"), "what we did not make we do not delete"
    one.run("rm", "-r", "/var/lib/etcd")


@pytest.mark.parametrize("port", ["6443", "2379"])
def test_a_port_that_is_taken(one: Host, operator: Operator, port: str) -> None:
    with Typed(one, "python3", "-m", "http.server", port):
        operator.retry("somebody listens", lambda: f":{port}" in one.run("ss", "-ltn"), 30)
        fails(one, *INIT, says=(rf"\[Port-{port}\].*python3", "ss -ltnp"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kubernetesVersion: v1.36.2\nhots: []\n", r":2:1: hots: unknown key"),
        ("kubernetesVersion: [1]\n", r":1:20: kubernetesVersion"),
        ("a: &x [1]\nb: [*x, *x]\n", r":2:5: the alias \*x"),
    ],
)
def test_a_cluster_file_with_mistakes(one: Host, operator: Operator, text: str, says: str) -> None:
    one.write("/root/wrong.yaml", text)
    fails(one, *INIT, "--config=/root/wrong.yaml", says=(says,))


def test_a_host_name_in_upper_case(one: Host, operator: Operator) -> None:
    one.run("hostname", "ONE")
    try:
        fails(one, *INIT, says=('"ONE" has capital letters', "hostnamectl set-hostname one"))
    finally:
        one.run("hostname", "one")


def test_two_inits_at_once_and_an_interrupted_one(one: Host, two: Host, operator: Operator) -> None:
    """The file names `two` as well, so the bootstrap waits, and its role is held against a token of another."""
    one.write(CLUSTER_FILE, operator.cluster_file())
    with Typed(one, *INIT, f"--config={CLUSTER_FILE}") as first:
        command = first.wait_for(rf"worker: ({JOIN.pattern})", 120)[1].split()
        fails(one, *INIT, says=("another `kfctl init` runs", "wait for it"))
        wrong = join_command(operator, "--role=control-plane")
        fails(two, *wrong, says=("two is a worker in cluster.yaml", "kfctl token create --role worker"))
        first.signal("INT")
        code, said = first.wait(30)
        assert code == INTERRUPTED, said
        assert re.search("goes on|kfctl operation watch", said), said
    with Typed(one, *INIT, f"--config={CLUSTER_FILE}") as again:
        two.run(*command, timeout=400)
        again.succeed()
    checks.nodes_ready(operator)


def test_init_on_a_member_changes_nothing(one: Host, operator: Operator) -> None:
    assert "made already" in one.run(*INIT)


# -- what keeps `kfctl join` from a member


def test_a_used_up_token(two: Host, operator: Operator) -> None:
    reset_two(operator, two)
    command = join_command(operator)
    with Typed(two, *command) as first:
        first.wait_for("enrolled", 60)
        with Typed(two, *command) as second:  # the same join twice at once: both end well
            second.succeed()
        first.succeed()
    assert "already" in two.run(*command, timeout=120)
    reset_two(operator, two)
    fails(two, *command, says=("used up", "kfctl token create"))


def test_a_wrong_token_and_an_expired_one(two: Host, operator: Operator) -> None:
    good = join_command(operator)
    wrong = changed(good, "--token", "abcdef.0123456789abcdef")
    fails(two, *wrong, says=("token is wrong", "kfctl token create"))
    fails(two, *changed(good, "--token", "abc"), says=("does not have the form", "kfctl token create"))
    short = join_command(operator, "--ttl=1s")
    two.run("sleep", "1.2")
    fails(two, *short, says=("expired at", "kfctl token create"))


def test_a_wrong_pin(two: Host, operator: Operator) -> None:
    wrong = changed(join_command(operator), "--ca-pin", "sha256:" + "0" * 64)
    fails(two, *wrong, says=("not the coordinator you expect", "copy the join command again"))
    assert not two.exists("/var/lib/kubefort/identity/tls.crt")


@pytest.mark.parametrize("offset", [40, -40])
def test_a_clock_that_is_off(two: Host, operator: Operator, offset: int) -> None:
    command = join_command(operator)
    direction = "ahead of" if offset > 0 else "behind"
    fails(two, *two.with_clock(offset, *command), says=(rf"clock of two is (39|40|41) s {direction}", "set it right"))


@pytest.mark.parametrize("years", [1, -1, 11])
def test_a_clock_that_is_years_off(two: Host, operator: Operator, years: int) -> None:
    command = two.with_clock(years * 366 * 86400, *join_command(operator))
    found, said = two.run_coded(*command, check=False)
    assert found in (FAILED, UNREACHABLE), said
    assert re.search("clock", said), said


def test_a_host_name_that_is_taken(two: Host, operator: Operator) -> None:
    two.run("hostname", "one")
    try:
        fails(two, *join_command(operator), says=("another host named one", "kfctl reset one"))
    finally:
        two.run("hostname", "two")


def test_a_machine_id_that_is_taken(one: Host, two: Host, operator: Operator) -> None:
    own = two.read("/etc/machine-id")
    two.write("/etc/machine-id", one.read("/etc/machine-id"))
    try:
        fails(two, *join_command(operator), says=("machine-id of one", "systemd-machine-id-setup"))
    finally:
        two.write("/etc/machine-id", own)


def test_a_coordinator_that_does_not_answer(one: Host, two: Host, operator: Operator) -> None:
    command = join_command(operator)
    one.run("systemctl", "stop", "kubefort-coordinator", timeout=90)
    fails(two, *command, code=UNREACHABLE, says=("does not answer", "systemctl status kubefort-coordinator"))
    fails(one, "kfctl", "status", code=UNREACHABLE, says=("kubefort-coordinator",))
    one.run("systemctl", "start", "kubefort-coordinator", timeout=90)


def test_a_coordinator_that_stops_during_a_join_and_faults_that_are_put_right(
    one: Host, two: Host, operator: Operator
) -> None:
    """The runtime's CRI plugin is disabled, and /etc/fstab has swap; Ctrl-C, and the coordinator away for a while."""
    two.write("/etc/containerd/config.toml", 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    two.run("systemctl", "restart", "containerd")
    two.write("/etc/fstab", two.run("cat", "/etc/fstab", check=False) + "/swapfile none swap sw 0 0\n")
    command = join_command(operator)
    with Typed(two, *command) as first:
        first.wait_for("enrolled", 60)
        first.signal("INT")
        code, said = first.wait(30)
        assert code == INTERRUPTED, said
    with Typed(two, *command) as again:
        again.wait_for("enrolled already", 60)
        one.run("systemctl", "kill", "--signal=KILL", "kubefort-coordinator")
        one.run("systemctl", "stop", "kubefort-coordinator", timeout=90)
        two.run("sleep", "3")
        one.run("systemctl", "start", "kubefort-coordinator", timeout=90)
        again.succeed()
    checks.nodes_ready(operator)
    assert "disabled_plugins" not in two.read("/etc/containerd/config.toml")
    swap = [line for line in two.read("/etc/fstab").splitlines() if "swap" in line]
    assert all(line.startswith("#") for line in swap), swap


def test_swap_that_returns_is_turned_off_again(two: Host, operator: Operator) -> None:
    two.write("/etc/fstab", two.read("/etc/fstab") + "/another none swap sw 0 0\n")

    def commented() -> bool:
        return all(line.startswith("#") for line in two.read("/etc/fstab").splitlines() if "/another" in line)

    operator.retry("the new line is commented out", commented, 60)
    two.reboot()
    operator.retry("and stays so", commented, 30)
    checks.nodes_ready(operator)


def test_the_cluster_is_whole_after_all_that(operator: Operator) -> None:
    checks.deploy_echo(operator)
    checks.whole(operator)
    states = json.loads(operator.first.run("kfctl", "operation", "list", "-o", "json"))
    assert not [each for each in states if each["status"] == "running"]


def test_a_member_of_another_cluster_is_not_taken(two: Host, operator: Operator) -> None:
    with pytest.raises(LabError, match="member of another cluster"):
        two.run(*changed(join_command(operator), "--ca-pin", "sha256:" + "1" * 64))
