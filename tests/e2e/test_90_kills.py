"""Processes are killed and power is cut at random instants of bootstraps and joins: the result is always whole.

KUBEFORT_INSTANTS: how many instants for each kind of fault (3); KUBEFORT_SEED: the series of instants (the day).
Each instant is a part of the time that the undisturbed run took, so that all of it is covered.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable

import pytest

from tests.cluster import checks
from tests.cluster.operator import BUNDLE, CLUSTER_FILE, JOIN, Operator
from tests.cluster.typed import Typed
from tests.lab import Host, Lab, bundle, each
from tests.lab.shell import LabError, say

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]
INSTANTS = int(os.environ.get("KUBEFORT_INSTANTS", "3"))
SEED = os.environ.get("KUBEFORT_SEED") or time.strftime("%Y-%m-%d")
CHANCE = random.Random(SEED)
VERSION = "v1.36.2"

Fault = Callable[[Host], None]


def kill_coordinator(host: Host) -> None:
    host.run("systemctl", "kill", "--signal=KILL", "kubefort-coordinator", check=False)


def kill_agent(host: Host) -> None:
    host.run("systemctl", "kill", "--signal=KILL", "kubefort-agent", check=False)


def cut_power(host: Host) -> None:
    """Off, and on again: what was typed on it before is lost, and is typed again."""
    host.cut_power()
    host.start()
    host.wait_boot()


def at(instant: float, fault: Fault, host: Host) -> threading.Thread:
    """The fault, `instant` seconds from now."""

    def strike() -> None:
        time.sleep(instant)
        say(f"{fault.__name__} {host.name} {instant:.1f} s after the beginning")
        fault(host)

    thread = threading.Thread(target=strike)
    thread.start()
    return thread


def type_until_done(host: Host, argv: list[str], tries: int = 6) -> str:
    """An operator's patience: the same command again when its host lost power, or nobody answered."""
    last = ""
    for _ in range(tries):
        try:
            code, last = host.run_coded(*argv, check=False, timeout=600)
        except LabError as error:
            code, last = -1, str(error)
        if code == 0:
            return last
        assert "Traceback" not in last, last
        time.sleep(3)
        if host.powered:
            host.wait_boot()
    raise LabError(f"{' '.join(argv)} did not succeed in {tries} tries: {last}")


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Operator:
    operator = Operator.with_hosts(lab, "trixie", VERSION, 2, 1, with_vip=False)
    operator.install()
    operator.first.put(bundle.ensure(VERSION), BUNDLE)
    operator.first.write(CLUSTER_FILE, operator.cluster_file())
    operator.first.run("sync")
    return operator


def bootstrap(operator: Operator) -> None:
    """init on the first, joins on the others as soon as the coordinator gives tokens; each typed until it succeeds."""
    first = operator.first
    with Typed(first, "kfctl", "init", f"--config={CLUSTER_FILE}", f"--bundle={BUNDLE}") as init:
        commands = {
            role: init.wait_for(rf"{role}: ({JOIN.pattern})", 120)[1].split() for role in ("control-plane", "worker")
        }
        roles = dict.fromkeys(operator.control_planes[1:], "control-plane") | dict.fromkeys(operator.workers, "worker")
        each(lambda host: type_until_done(host, commands[roles[host]]), roles)
    type_until_done(first, ["kfctl", "init", f"--config={CLUSTER_FILE}", f"--bundle={BUNDLE}"])


def take_down(operator: Operator) -> None:
    """Every host out, the first one last."""
    for host in [*operator.workers, *reversed(operator.control_planes)]:
        operator.first.run("kfctl", "reset", host.name, "--yes", "--force", timeout=300)


@pytest.fixture(scope="module")
def usual(operator: Operator) -> float:
    """How long an undisturbed bootstrap takes, in seconds."""
    begin = time.monotonic()
    bootstrap(operator)
    took = time.monotonic() - begin
    checks.nodes_ready(operator)
    take_down(operator)
    return took


CASES = [
    (kill_coordinator, "cp1"),
    *((kill_agent, name) for name in ("cp1", "cp2", "w1")),
    *((cut_power, name) for name in ("cp1", "cp2", "w1")),
]


@pytest.mark.parametrize(("fault", "name"), CASES, ids=[f"{fault.__name__}-{name}" for fault, name in CASES])
def test_bootstrap(operator: Operator, usual: float, lab: Lab, fault: Fault, name: str) -> None:
    for number in range(INSTANTS):
        instant = usual * (number + CHANCE.random()) / INSTANTS
        # Before the others know their join commands there is only `init` itself, which is struck as well.
        strike = at(instant, fault, lab.host(name))
        try:
            bootstrap_again(operator)
        finally:
            strike.join()
        checks.nodes_ready(operator)
        checks.etcd_whole(operator)
        checks.api_servers_ready(operator)
        checks.system_pods_ready(operator)
        checks.nothing_to_change(operator)
        take_down(operator)


def bootstrap_again(operator: Operator) -> None:
    """As bootstrap, and where init itself is struck before it printed commands, from the beginning."""
    for _ in range(4):
        try:
            bootstrap(operator)
            return
        except LabError as error:
            say(f"typed again after: {str(error)[-300:]}")
            operator.first.wait_boot()
    raise LabError("no bootstrap in four tries")


JOINERS = [
    (kill_coordinator, "cp1", "w1"),
    *((fault, name, name) for fault in (kill_agent, cut_power) for name in ("cp2", "w1")),
]


@pytest.mark.parametrize(
    ("fault", "name", "joining"),
    JOINERS,
    ids=[f"{fault.__name__}-{name}-{joining}" for fault, name, joining in JOINERS],
)
def test_join(operator: Operator, lab: Lab, fault: Fault, name: str, joining: str) -> None:
    host = lab.host(joining)
    if not operator.first.exists("/etc/kubernetes/admin.conf"):
        bootstrap(operator)
    role = "worker" if host in operator.workers else "control-plane"
    operator.first.run("kfctl", "reset", joining, "--yes", "--force", timeout=300)
    begin = time.monotonic()
    host.run(*operator.token(role), timeout=600)
    usual = time.monotonic() - begin
    for number in range(INSTANTS):
        operator.first.run("kfctl", "reset", joining, "--yes", "--force", timeout=300)
        command = operator.token(role)
        strike = at(usual * (number + CHANCE.random()) / INSTANTS, fault, lab.host(name))
        try:
            type_until_done(host, command)
        finally:
            strike.join()
        checks.nodes_ready(operator)
        checks.etcd_whole(operator)
        checks.system_pods_ready(operator)
        checks.nothing_to_change(operator)
