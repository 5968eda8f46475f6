"""The status as Prometheus metrics. Another process asks for it: the one that holds the address serves no HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

import msgspec
from kubefort.errors import Unavailable
from kubefort.vipfile import VipReply, VipRequest, VipStatus

_PATIENCE = 5.0
_STATES = ("initialize", "backup", "active")

Sample = tuple[dict[str, str], float]


def ask(path: Path) -> VipStatus:
    """The running process' status. Raises Unavailable when there is no answer."""
    try:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.settimeout(_PATIENCE)
            unix.connect(str(path))
            unix.sendall(msgspec.json.encode(VipRequest(command="status")) + b"\n")
            status = msgspec.json.decode(b"".join(iter(lambda: unix.recv(65536), b"")), type=VipReply).status
    except (OSError, msgspec.DecodeError) as error:
        raise Unavailable(f"kubefort-vip does not answer on {path}: {error}") from error
    if status is None:
        raise Unavailable(f"kubefort-vip answered on {path} without a status")
    return status


def text(status: VipStatus) -> str:
    """Prometheus' text exposition format, version 0.0.4."""
    health, peers = status.health, status.peers
    offsets = [({"peer": p.address}, p.clock_offset_s) for p in peers if p.clock_offset_s is not None]
    metrics = (
        _metric("holder", "gauge", "Whether the address is on this host.", status.holder),
        _metric("state", "gauge", "1 for the VRRP state.", [({"state": s}, s == status.state) for s in _STATES]),
        _metric("state_seconds", "gauge", "Time since the last change.", status.since_s),
        _metric("transitions_total", "counter", "Changes of state.", status.transitions),
        _metric("priority", "gauge", "Priority in the settings.", status.priority),
        _metric("effective_priority", "gauge", "Priority as advertised.", status.effective_priority),
        _metric("advert_interval_seconds", "gauge", "Time between two adverts.", status.interval_ms / 1000),
        _metric("adverts_sent_total", "counter", "Adverts sent.", status.sent),
        _metric("adverts_received_total", "counter", "Valid adverts received.", status.received),
        _metric("adverts_lost_total", "counter", "Adverts that came late or never.", status.lost),
        _metric(
            "packets_refused_total",
            "counter",
            "Packets that did not count, by reason.",
            [({"reason": reason}, count) for reason, count in sorted(status.rejected.items())],
        ),
        _metric("peer_clock_offset_seconds", "gauge", "Clock in a peer's last advert minus ours.", offsets),
        _metric(
            "peer_heard_seconds",
            "gauge",
            "Time since a peer's last advert.",
            [({"peer": p.address}, p.ago_s) for p in peers],
        ),
        _metric("healthy", "gauge", "Whether this host is fit to hold the address.", health.healthy),
        _metric("health_checks_total", "counter", "Health checks made.", health.checks),
        _metric("health_check_failures_total", "counter", "Health checks that failed.", health.failures),
        _metric("late_timers_total", "counter", "Timers so late that the process looked first.", status.late_timers),
        _metric("worst_timer_delay_seconds", "gauge", "The latest timer since the start.", status.worst_late_ms / 1000),
        _metric("real_time", "gauge", "Whether the host granted real-time settings.", status.real_time),
    )
    return "".join(line + "\n" for metric in metrics for line in metric)


def _metric(name: str, kind: str, about: str, found: float | list[Sample]) -> Iterable[str]:
    samples: list[Sample] = found if isinstance(found, list) else [({}, found)]
    name = f"kubefort_vip_{name}"
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(word)}"' for label, word in labels.items())
        yield f"{name}{{{inside}}} {value:.15g}" if inside else f"{name} {value:.15g}"


def _escaped(word: str) -> str:
    return word.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
