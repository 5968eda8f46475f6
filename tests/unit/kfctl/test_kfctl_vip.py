from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from kfctl.health import findings
from kfctl.virtualip import document, page
from kubefort.model.cluster import Cluster, VirtualIP
from kubefort.model.operation import HostOverview, Overview, VipMoveArguments
from kubefort.model.status import Facts, NodeStatus
from kubefort.vipfile import HealthStatus, VipStatus
from kubefort.vipstatus import status_of

from tests.unit.kfctl.conftest import Kfctl
from tests.unit.kfctl.fakes import FakeCoordinator, operation

BACKUP = VipStatus(
    state="backup",
    holder=False,
    reason="started, listening for an Active",
    since_s=200,
    interface="eth0",
    addresses=("10.0.0.100/32",),
    vrid=51,
    version=3,
    priority=253,
    effective_priority=253,
    interval_ms=100,
    active="10.0.0.1",
    transitions=1,
    sent=0,
    received=2000,
    lost=3,
    rejected={},
    peers=(),
    auth_mode="enforce",
    auth_send_key_id=2,
    auth_key_ids=(2,),
    health=HealthStatus(healthy=True, reason="answers 200"),
)
ACTIVE = msgspec.structs.replace(
    BACKUP, state="active", holder=True, priority=254, effective_priority=254, reason="no Active heard for 302 ms"
)


def host(name: str, vip: VipStatus | None, *, connected: bool = True, clock: float = 99.5) -> HostOverview:
    raw = {} if vip is None else msgspec.to_builtins(vip)
    status = NodeStatus(3, True, Facts(name, "m", "10.0.0.1", time=clock), version="9", vip=raw)
    return HostOverview(name, "control-plane", "10.0.0.1", "node", 3, connected, 99.0, status)


def overview(*hosts: HostOverview, vip: bool = True) -> Overview:
    return Overview("9", 100.0, Cluster("v1.36.2", vip=VirtualIP("10.0.0.100") if vip else None), hosts)


def changed(status: VipStatus, **changes: Any) -> VipStatus:
    return msgspec.structs.replace(status, **changes)


def test_the_page_says_who_holds_it_why_and_how_all_others_are() -> None:
    seen = page(overview(host("cp2", BACKUP, clock=99.0), host("cp1", ACTIVE)))
    lines = [" ".join(line.split()) for line in seen.splitlines()]
    assert "Holder cp1, for 3 min: no Active heard for 302 ms" in lines
    assert "Group VRID 51, VRRP version 3" in lines
    assert "Adverts every 100 ms" in lines
    assert "Authentication enforce, signed with key 2" in lines
    assert "cp1 active 254 yes 2000 3 0 1 +0.5 s for 3 min: no Active heard for 302 ms" in lines
    assert "cp2 backup 253 yes 2000 3 0 1 +0.0 s for 3 min: started, listening for an Active" in lines
    assert "To look at" not in seen


def test_what_needs_a_look_is_said() -> None:
    odd = changed(
        BACKUP,
        effective_priority=153,
        health=HealthStatus(healthy=False, cause="hung", reason="accepted, but no answer within 1000 ms"),
        rejected={"auth-forged": 7, "ttl": 1},
        strangers=("10.0.0.66: our VRID 51 with other addresses: 10.0.0.9",),
        warnings=("no nft: connections end when the address moves",),
        draining="serving",
        auth_mode="permissive",
        auth_key_ids=(2, 3),
    )
    seen = page(
        overview(host("cp1", ACTIVE), host("cp2", odd), host("cp3", None), host("cp4", ACTIVE, connected=False))
    )
    for part in (
        "153 (of 253)",
        "enforce, signed with key 2 / permissive, signed with key 2, key 3 accepted too",
        "cp2: API server not well: accepted, but no answer within 1000 ms",
        "cp2: adverts rejected: 7 auth-forged, 1 ttl",
        "cp2: somebody else: 10.0.0.66: our VRID 51 with other addresses: 10.0.0.9",
        "cp2: no nft: connections end when the address moves",
        "cp2: serving connections from before the move",
        "kubefort-vip does not answer",
        "its agent is not connected",
    ):
        assert part in seen
    assert "Holder          cp1, for" in seen


@pytest.mark.parametrize(
    ("hosts", "line"),
    [
        ((host("cp1", BACKUP), host("cp2", BACKUP)), "nobody"),
        ((host("cp1", ACTIVE), host("cp2", ACTIVE)), "cp1 and cp2"),
    ],
)
def test_none_and_two_are_said_and_end_with_1(
    kfctl: Kfctl, fake: FakeCoordinator, hosts: tuple[HostOverview, ...], line: str
) -> None:
    fake.overview = overview(*hosts)
    result = kfctl("vip", "status")
    assert f"Holder          {line}\n" in result.output
    assert result.exit_code == 1


def test_the_document_has_everything(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.overview = overview(host("cp1", ACTIVE), host("cp2", None))
    result = kfctl("vip", "status", "-o", "json")
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert (told["address"], told["holder"], told["holders"]) == ("10.0.0.100", "cp1", ["cp1"])
    assert told["hosts"][0]["status"]["lost"] == 3
    assert told["hosts"][0]["clockOffset"] == 0.5
    assert told["hosts"][1] == {"name": "cp2", "connected": True, "clockOffset": 0.5, "status": None}


def test_without_a_virtual_ip_all_is_well(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.overview = overview(host("cp1", None), vip=False)
    result = kfctl("vip", "status")
    assert (result.exit_code, result.output) == (0, "The cluster has no virtual IP.\n")
    assert document(fake.overview)["address"] == ""


def test_a_status_of_another_version_still_tells_the_holder() -> None:
    newer = host("cp1", ACTIVE)
    assert newer.status is not None
    vip = {**newer.status.vip, "invented": 1, "state": "dreaming"}
    newer = msgspec.structs.replace(newer, status=msgspec.structs.replace(newer.status, vip=vip))
    seen = page(overview(newer))
    assert "Holder      cp1" in seen
    assert "another version" in seen
    known = status_of({**vip, "state": "active"})
    assert known == ACTIVE


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [(("move", "cp2"), "vip-move"), (("move",), "vip-move"), (("rotate-key",), "vip-rotate-key")],
)
def test_move_and_rotate_key_begin_an_operation_and_follow_it(
    kfctl: Kfctl, fake: FakeCoordinator, arguments: tuple[str, ...], kind: str
) -> None:
    fake.states = [operation("running"), operation("succeeded")]
    result = kfctl("vip", *arguments)
    assert result.exit_code == 0, result.output
    (request,) = fake.requests("StartOperation")
    assert request.kind == kind
    if arguments == ("move", "cp2"):
        assert msgspec.json.decode(request.arguments, type=VipMoveArguments).host == "cp2"
    else:
        assert request.arguments == b"{}"


@pytest.mark.parametrize("command", ["move", "rotate-key"])
def test_a_dry_run_lists_the_phases(kfctl: Kfctl, fake: FakeCoordinator, command: str) -> None:
    fake.states = [operation()]
    result = kfctl("vip", command, "--dry-run")
    assert result.output == "would:\n  Check w1\n  Prepare w1\n"
    assert fake.requests("StartOperation")[0].dry_run
    assert fake.requests("WatchOperation") == []


def test_a_silent_kubefort_vip_and_strangers_are_findings() -> None:
    stranger = changed(BACKUP, strangers=("10.0.0.66: our VRID 51 with other addresses: 10.0.0.9",))
    seen = overview(host("cp1", ACTIVE), host("cp2", None), host("cp3", stranger))
    assert [(f.severity, f.host, f.what) for f in findings(seen)] == [
        ("warning", "cp2", "its kubefort-vip does not answer"),
        ("warning", "cp3", "others disturb the virtual IP"),
    ]


def test_another_group_on_the_network_is_no_finding() -> None:
    neighbour = changed(BACKUP, strangers=("10.0.0.66: another group: VRID 52",))
    assert findings(overview(host("cp1", ACTIVE), host("cp2", neighbour), host("cp3", BACKUP))) == ()
