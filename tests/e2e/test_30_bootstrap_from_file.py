"""One bootstrap of all hosts that cluster.yaml names: `kfctl init` waits while the others join."""

from __future__ import annotations

import json

import pytest

from tests.cluster import checks
from tests.cluster.operator import Operator
from tests.lab import Lab, artifacts

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def operator(lab: Lab) -> Operator:
    version = artifacts.best()
    operator = Operator.with_hosts(lab, artifacts.RELEASES[version].suite, version, 3, 1)
    operator.build_from_file()
    checks.deploy_echo(operator)
    return operator


def test_the_cluster_is_whole(operator: Operator) -> None:
    checks.whole(operator)


def test_it_was_one_operation_and_no_join(operator: Operator) -> None:
    operations = json.loads(operator.first.run("kfctl", "operation", "list", "-o", "json"))
    assert [(each["kind"], each["status"]) for each in operations] == [("bootstrap", "succeeded")]


def test_a_plan_has_nothing_to_change(operator: Operator) -> None:
    checks.nothing_to_change(operator)


def test_the_printed_tokens_are_used_up(operator: Operator) -> None:
    tokens = json.loads(operator.first.run("kfctl", "token", "list", "-o", "json"))
    assert sorted((each["role"], each["usesLeft"]) for each in tokens) == [("control-plane", 1), ("worker", 1)], (
        "only those of the join commands that init printed at its end"
    )
