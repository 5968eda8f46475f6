"""The older world: bookworm hosts, Kubernetes v1.20.2, etcd 3.4: bootstrap, join and a power cut of all. In order."""

from __future__ import annotations

import pytest

from tests.cluster import blackout, checks
from tests.cluster.operator import Operator
from tests.lab import Lab

pytestmark = pytest.mark.timeout(1500)


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Operator:
    operator = Operator.with_hosts(lab, "bookworm", "v1.20.2", 3, 1)
    operator.build()
    checks.deploy_echo(operator)
    return operator


def test_four_hosts_become_a_cluster(operator: Operator) -> None:
    checks.whole(operator)
    assert {n["status"]["nodeInfo"]["kubeletVersion"] for n in operator.get("nodes")["items"]} == {"v1.20.2"}


def test_a_power_cut_of_all_hosts_is_survived(operator: Operator) -> None:
    blackout.survive(operator)
