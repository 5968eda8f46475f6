from __future__ import annotations

import msgspec
import pytest
from kfctl.health import findings
from kfctl.overviews import page
from kubefort.model.cluster import Cluster, Role, VirtualIP
from kubefort.model.operation import HostOverview, Overview
from kubefort.model.status import Check, Facts, NodeStatus

from tests.unit.kfctl.fakes import operation


def host(name: str, holder: bool = False, role: Role = "control-plane", **changes: object) -> HostOverview:
    status = NodeStatus(3, True, Facts(name, "m", "10.0.0.1"), version="9", vip={"holder": holder})
    return HostOverview(name, role, "10.0.0.1", "node", 3, True, 99.0, msgspec.structs.replace(status, **changes))


def overview(*hosts: HostOverview, vip: bool = True, **changes: object) -> Overview:
    cluster = Cluster("v1.36.2", vip=VirtualIP("10.0.0.100") if vip else None)
    return msgspec.structs.replace(Overview("9", 100.0, cluster, hosts), **changes)


def whats(seen: Overview) -> list[str]:
    return [f"{f.severity} {f.host}: {f.what}" for f in findings(seen)]


def test_one_holder_of_the_virtual_ip_is_as_it_should_be() -> None:
    seen = overview(host("cp1"), host("cp2", holder=True), host("cp3"))
    assert whats(seen) == []
    assert "10.0.0.100, held by cp2" in page(seen)


def test_no_holder_and_two_holders_are_errors() -> None:
    assert whats(overview(host("cp1"))) == ["error : nobody holds the virtual IP 10.0.0.100"]
    both = overview(host("cp1", True), host("cp2", True), host("cp3"))
    assert whats(both) == ["error : more than one host holds the virtual IP 10.0.0.100"]
    assert "cp1, cp2 do" in findings(both)[0].why


def test_without_a_virtual_ip_or_during_an_operation_nobody_needs_to_hold_it() -> None:
    assert whats(overview(host("cp1"), vip=False)) == []
    assert whats(overview(host("cp1"), operations=(operation(),))) == []


def test_an_even_number_of_control_planes_is_a_warning() -> None:
    seen = overview(host("cp1"), host("cp2"), vip=False)
    assert whats(seen) == ["warning : the cluster has 2 control-plane hosts"]


def test_failed_checks_carry_the_command_that_mends_them() -> None:
    check = Check("Swap", "error", "swap is on", "swapoff -a")
    (found,) = findings(overview(host("w1", role="worker", preflight=(check,)), vip=False))
    assert (found.host, found.what, found.command) == ("w1", "preflight Swap: swap is on", "swapoff -a")


def test_an_agent_of_another_version_is_a_warning() -> None:
    assert whats(overview(host("cp1", version="8"), vip=False)) == ["warning cp1: it runs another version of Kubefort"]


@pytest.mark.parametrize(("seen", "why"), [(40.0, "last seen 60 s ago"), (0.0, "it was never seen")])
def test_a_host_that_is_gone_says_since_when(seen: float, why: str) -> None:
    gone = msgspec.structs.replace(host("w1", role="worker"), connected=False, seen=seen)
    (found,) = findings(overview(gone, vip=False))
    assert (found.what, found.why) == ("its agent is not connected", why)


def test_a_failure_that_was_mended_by_a_later_operation_is_no_finding() -> None:
    earlier, later = operation("failed", created=1.0), operation("succeeded", id="op-2", created=2.0)
    assert whats(overview(host("cp1"), vip=False, operations=(later, earlier))) == []
    assert whats(overview(host("cp1"), vip=False, operations=(earlier,))) == ["error : Join w1 failed"]
