"""make bench-idle: what agents and coordinator use while five hosts of a cluster are at rest.

Memory is resident, shared pages counted for each who has them. Processor time is that of the service's whole control
group, children and all, in percent of one core. BENCH_SECONDS: how long to watch (300). BENCH_LAB: the name of one
that is up already, hosts cp1.. and w1.., for instance `demo`.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from dataclasses import dataclass

from tests.cluster import checks
from tests.cluster.operator import Operator
from tests.lab import Host, Lab
from tests.lab.shell import say

VERSION = "v1.36.2"
SETTLE = 60.0
GOALS = {
    "agent_rss_mb": 64.0,
    "agent_cpu_percent": 0.3,
    "coordinator_rss_mb": 80.0,
    "coordinator_cpu_percent": 0.3,
}


@dataclass(frozen=True)
class Use:
    """A service at one moment: resident MB of all its processes, and the CPU seconds its control group has used."""

    rss_mb: float
    cpu_s: float


def look(host: Host, unit: str) -> Use:
    """Raises CommandError where the service does not run."""
    group = host.run("systemctl", "show", "--property=ControlGroup", "--value", unit).strip()
    pids = host.run("cat", f"/sys/fs/cgroup/systemd{group}/cgroup.procs", check=False).split()
    if not pids or not pids[0].isdigit():
        pids = host.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split()
    rss = 0
    for pid in pids:
        status = host.run("cat", f"/proc/{pid}/status", check=False)
        rss += next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)
    return Use(rss / 1000, cpu_seconds(host, group, pids))


def cpu_seconds(host: Host, group: str, pids: list[str]) -> float:
    """By the control group where it is accounted, else by the main process and its children that have ended."""
    for path in (f"/sys/fs/cgroup/cpuacct{group}/cpuacct.usage", f"/sys/fs/cgroup/cpu,cpuacct{group}/cpuacct.usage"):
        if host.exists(path):
            return int(host.read(path)) / 1e9
    stat = f"/sys/fs/cgroup{group}/cpu.stat"
    if host.exists(stat):
        return int(host.read(stat).split()[1]) / 1e6
    ticks = 0
    for pid in pids:
        fields = host.run("cat", f"/proc/{pid}/stat", check=False).rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15])) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(hosts: list[Host], seconds: float) -> dict[str, float]:
    """The four figures: agents' are the mean over the hosts, memory is the median over the time."""
    watched = [(host, "kubefort-agent.service") for host in hosts] + [(hosts[0], "kubefort-coordinator.service")]
    samples = [[look(host, unit) for host, unit in watched]]
    begin = time.monotonic()
    while (now := time.monotonic()) < begin + seconds:
        time.sleep(min(20.0, begin + seconds - now))
        samples.append([look(host, unit) for host, unit in watched])
    took = time.monotonic() - begin
    rss = [statistics.median(sample[i].rss_mb for sample in samples) for i in range(len(watched))]
    cpu = [(samples[-1][i].cpu_s - samples[0][i].cpu_s) / took * 100 for i in range(len(watched))]
    for (host, unit), mb, percent in zip(watched, rss, cpu, strict=True):
        print(f"{host.name:4} {unit:30} {mb:6.1f} MB {percent:6.2f} %")
    return {
        "agent_rss_mb": round(statistics.mean(rss[:-1]), 1),
        "agent_cpu_percent": round(statistics.mean(cpu[:-1]), 2),
        "coordinator_rss_mb": round(rss[-1], 1),
        "coordinator_cpu_percent": round(cpu[-1], 2),
    }


def report(found: dict[str, float], seconds: float) -> None:
    """The last line. `ratio` is the worst of the four to its goal."""
    rows = [
        {"event": name, "ours": value, "peer": GOALS[name], "ratio": round(value / GOALS[name], 2)}
        for name, value in found.items()
    ]
    worst = max(rows, key=lambda row: float(str(row["ratio"])))
    line = {"bench": "idle", "ours": worst["ours"], "peer": worst["peer"], "ratio": worst["ratio"]}
    print(json.dumps({**line, "unit": worst["event"], "seconds": seconds, **found, "rows": rows}))


def main() -> int:
    seconds = float(os.environ.get("BENCH_SECONDS", "300"))
    there = os.environ.get("BENCH_LAB")
    if there:
        report(measure(Lab(there).hosts, seconds), seconds)
        return 0
    with Lab("bench-idle") as lab:
        operator = Operator.with_hosts(lab, "trixie", VERSION, 3, 2)
        operator.build_from_file()
        checks.nodes_ready(operator)
        checks.system_pods_ready(operator)
        say(f"at rest: {SETTLE:.0f} s to settle, {seconds:.0f} s to measure")
        time.sleep(SETTLE)
        report(measure(operator.hosts, seconds), seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
