"""The packages on bookworm and trixie: installed, upgraded under a running cluster, removed, purged. In order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cluster import checks
from tests.cluster.operator import PACKAGES, Operator, packages
from tests.lab import Host, Lab
from tests.lab.shell import run

pytestmark = pytest.mark.timeout(900)
NEWER = "0.1.0+newer"
UNITS = ("kubefort-agent.service", "kubefort-vip.service", "kubefort-coordinator.service")
LASTING = ("kubelet", "etcd", "kube-apiserver", "kube-proxy", "pause")
PLACES = ("/etc", "/usr", "/opt", "/var/lib", "/run/kubefort", "/run/kubefort-vip", "/var/log/pods")
# What others keep there and change by themselves: the runtime's store, dpkg's records, systemd's clocks and seeds.
OTHERS = re.compile(
    r"/var/lib/(containerd|docker|dpkg|apt|systemd|private|cni/results|polkit-1)(/|$)|/var/lib/systemd|/etc/ld.so.cache"
    r"|__pycache__|/etc/(machine-id|mtab|resolv.conf)$|/var/lib/(cni|kubelet)$"
)


@pytest.fixture(scope="module", params=[("bookworm", "v1.20.2"), ("trixie", "v1.36.2")], ids=["bookworm", "trixie"])
def operator(request: pytest.FixtureRequest, lab: Lab) -> Operator:
    suite, version = request.param
    return Operator(lab, suite, version, [lab.create(suite, suite)], [])


@pytest.fixture(scope="module")
def before(operator: Operator) -> set[str]:
    return files(operator.first)


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same packages under a higher version."""
    made = []
    for package in packages():
        root = tmp_path_factory.mktemp("newer") / "root"
        run("dpkg-deb", "--raw-extract", package, root, timeout=120)
        control = root / "DEBIAN" / "control"
        control.write_text(control.read_text().replace("0.1.0", NEWER))
        (root / "DEBIAN" / "md5sums").unlink(missing_ok=True)
        version = root / "usr/lib/kubefort/kubefort/__init__.py"
        if version.exists():
            version.write_text(version.read_text().replace("0.1.0", NEWER))
        made.append(root.parent / package.name)
        run("dpkg-deb", "--build", "-Zgzip", "-z1", root, made[-1], timeout=120)
    return made


def files(host: Host) -> set[str]:
    """Every file, folder and link below PLACES that is not of OTHERS."""
    found = host.run("find", *PLACES, "-xdev", check=False).splitlines()
    return {path for path in found if path.startswith("/") and not OTHERS.search(path)}


def programs(host: Host) -> set[tuple[str, str]]:
    """Process ids and names of kubelet and of what it runs, but for those that end by themselves when a busy machine
    makes them lose their election, and for what waits for these.
    """
    rows = [line.split() for line in host.run("ps", "-eo", "pid=,comm=").splitlines()]
    return {
        (pid, name) for pid, name, *_ in rows if name in ("kubelet", "etcd", "kube-apiserver", "kube-proxy", "pause")
    }


def test_install(operator: Operator, before: set[str]) -> None:
    host = operator.first
    operator.install()
    assert (
        host.run("systemd-analyze", "verify", "--man=no", *(f"/usr/lib/systemd/system/{unit}" for unit in UNITS)) == ""
    )
    for unit in UNITS:
        assert host.run("systemctl", "is-enabled", unit).strip() == "enabled"
        assert host.run("systemctl", "is-active", unit, check=False).strip() == "inactive", "quiet until the host joins"
        assert host.run("systemctl", "is-failed", unit, check=False).strip() != "failed"
    assert re.search(r"\d+\.\d+\.\d+", host.run("kfctl", "version"))
    shipped = host.run("dpkg", "--listfiles", *PACKAGES)
    for part in ("completions/kfctl", "man1/kfctl.1", "man8/kubefort-agent.8", "man8/kubefort-coordinator.8"):
        assert part in shipped, part
    assert "usage" in host.run("kubefort-agent", "--help").lower()


def test_upgrade_leaves_what_runs_alone(operator: Operator, newer: list[Path]) -> None:
    host = operator.first
    operator.init()
    checks.nodes_ready(operator)
    checks.system_pods_ready(operator)
    running = programs(host)
    for package in newer:
        host.put(package, f"/root/newer/{package.name}")
    with operator.steps.step("upgrade the packages"):
        host.run("dpkg", "--install", *(f"/root/newer/{package.name}" for package in newer), timeout=180)
    assert NEWER in host.run("kfctl", "version")
    for unit in ("kubefort-agent.service", "kubefort-coordinator.service"):
        assert host.run("systemctl", "is-active", unit).strip() == "active"
    operator.retry("kfctl status is healthy", lambda: host.run_coded("kfctl", "status")[0] == 0, 90)
    assert programs(host) == running
    checks.nothing_to_change(operator)
    overview = json.loads(host.run("kfctl", "status", "-o", "json"))
    assert NEWER in json.dumps(overview)
    checks.nodes_ready(operator)


def test_remove_lets_the_cluster_run_and_keeps_its_record(operator: Operator) -> None:
    host = operator.first
    running = programs(host)
    host.run("dpkg", "--remove", *reversed(PACKAGES), timeout=120)
    assert programs(host) == running
    assert host.exists("/var/lib/kubefort/coordinator/kubefort.db")
    assert not host.exists("/usr/lib/kubefort"), host.run("find", "/usr/lib/kubefort", check=False)
    operator.install()
    operator.retry("kfctl status is healthy", lambda: host.run_coded("kfctl", "status")[0] == 0, 90)
    assert programs(host) == running


def test_reset_and_purge_leave_nothing(operator: Operator, before: set[str]) -> None:
    host = operator.first
    host.run("kfctl", "reset", host.name, "--yes", timeout=300)
    host.run("dpkg", "--purge", *reversed(PACKAGES), timeout=120)
    assert host.run("ctr", "-n=k8s.io", "tasks", "ls", "-q") == ""
    left = files(host) - before
    assert not left, "\n".join(sorted(left))
    assert "kubefort" not in host.run("systemctl", "list-units", "--all", "--no-legend", "--plain")
    gone = {path for path in before - files(host) if not path.startswith("/var/lib/systemd")}
    assert not gone, "\n".join(sorted(gone))
