from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from kubefort.errors import Unavailable
from kubefort.vipfile import HealthStatus, PeerHeard, VipStatus
from kubefort_agent.vip import metrics

STATUS = VipStatus(
    state="backup",
    holder=False,
    reason="listening",
    since_s=1.5,
    interface="eth0",
    addresses=("10.0.0.100/32",),
    vrid=51,
    version=3,
    priority=253,
    effective_priority=153,
    interval_ms=100,
    active="10.0.0.1",
    transitions=3,
    sent=1234567890123,
    received=22,
    lost=2,
    rejected={"ttl": 4, "auth-forged": 5},
    peers=(PeerHeard(address="10.0.0.1", priority=254, interval_ms=100, ago_s=0.05, adverts=22, clock_offset_s=-0.25),),
    auth_mode="enforce",
    auth_send_key_id=1,
    health=HealthStatus(healthy=False, cause="hung", reason="", checks=9, failures=7),
)


def samples(text: str) -> dict[str, float]:
    return {name: float(value) for name, _, value in (x.rpartition(" ") for x in text.splitlines() if x[0] != "#")}


def test_every_counter_is_a_sample() -> None:
    found = samples(metrics.text(STATUS))
    assert found['kubefort_vip_state{state="backup"}'] == 1
    assert found['kubefort_vip_state{state="active"}'] == 0
    assert found["kubefort_vip_holder"] == 0
    assert found["kubefort_vip_transitions_total"] == 3
    assert found["kubefort_vip_adverts_sent_total"] == 1234567890123
    assert found["kubefort_vip_adverts_lost_total"] == 2
    assert found['kubefort_vip_packets_refused_total{reason="auth-forged"}'] == 5
    assert found['kubefort_vip_peer_clock_offset_seconds{peer="10.0.0.1"}'] == -0.25
    assert found["kubefort_vip_healthy"] == 0
    assert found["kubefort_vip_advert_interval_seconds"] == 0.1


def test_every_line_is_in_the_exposition_format() -> None:
    sample = re.compile(r'kubefort_vip_[a-z_]+(\{[a-z]+="[^"\\\n]*"\})? -?[0-9.e+-]+')
    comment = re.compile(r"# (HELP kubefort_vip_[a-z_]+ .+|TYPE kubefort_vip_[a-z_]+ (gauge|counter))")
    text = metrics.text(STATUS)
    assert text.endswith("\n")
    for line in text.splitlines():
        assert (comment if line.startswith("#") else sample).fullmatch(line), line


def test_a_label_cannot_end_its_quotes() -> None:
    odd = msgspec.structs.replace(STATUS, rejected={'a"b\\c\n': 1})
    assert r'kubefort_vip_packets_refused_total{reason="a\"b\\c\n"} 1' in metrics.text(odd)


def test_nobody_to_ask(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        metrics.ask(tmp_path / "vip.sock")
