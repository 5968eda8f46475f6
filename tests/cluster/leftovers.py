"""What is on a host: files, units, mounts, devices, routes, rules, containers; and how two such looks differ."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.lab import Host

Snapshot = Mapping[str, frozenset[str]]

COMMANDS = {
    "file": "find /etc /var/lib /opt /usr/local -printf '%p %y %m %l\\n'",
    "content": "find /etc /usr/local -type f -exec sha256sum {} +",
    "unit": "systemctl list-unit-files --no-legend --no-pager | awk '{print $1, $2}'",
    "mount": "findmnt -rno TARGET",
    "device": "ip -o link | awk '{print $2}'",
    "route": "ip -o route; ip -o -6 route | grep -v fe80 || true",
    "rule": "for p in iptables ip6tables; do $p-save 2>/dev/null | grep -e '^-A' -e '^:[A-Z]*-' || true; done",
    "table": "nft list ruleset 2>/dev/null | grep -e KUBE -e CNI- || true",
    "sysctl": "sysctl net.ipv4.ip_forward",
    "process": "ps -eo comm= | grep -e kube -e etcd -e pause -e coredns | grep -v kubefort || true",
    "container": "ctr -n k8s.io containers ls -q; ctr -n k8s.io images ls -q",
}
"""Kind → shell command that prints one thing a line."""

OTHERS = re.compile(
    r" ?(/var/lib/(containerd|systemd|dpkg|apt|private|logrotate|kubefort/coordinator|kubefort d)\b"
    r"|/etc/(kubefort/kfctl\.yaml|ld\.so\.cache|machine-id|resolv\.conf|\.updated|\.pwd\.lock)"
    r"|/etc/systemd/system/multi-user\.target\.wants/kubefort-)"
)
"""Paths that are other programs' to change, and what a coordinator and its operator have beside a cluster."""


def snapshot(host: Host) -> Snapshot:
    found = {}
    for kind, command in COMMANDS.items():
        lines = host.run("sh", "-c", command, timeout=120).splitlines()
        found[kind] = frozenset(line.strip() for line in lines if line.strip() and not OTHERS.search(line))
    return found


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Lines that came (+) and went (-), by kind."""
    return [
        f"{kind}: {sign} {line}"
        for kind in before
        for sign, lines in (("+", after[kind] - before[kind]), ("-", before[kind] - after[kind]))
        for line in sorted(lines)
    ]
