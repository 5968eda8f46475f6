"""Operators: listed, revoked, and certificates that renew themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kfctl import operator
from kfctl.operator import Operator
from kubefort.errors import Refused
from kubefort.model.cluster import Cluster
from kubefort.model.operation import Overview

from tests.unit.kfctl.conftest import Kfctl
from tests.unit.kfctl.fakes import FakeCoordinator, Running


@pytest.fixture
def config(coordinator: Running, kfctl: Kfctl, tmp_path: Path) -> Path:
    """kfctl.yaml with a certificate that has 100 days of 400 left; the next ones are fresh."""
    path, authority = tmp_path / "kfctl.yaml", coordinator.fake.authority
    coordinator.fake.overview = Overview("9.9.9", 1000.0, Cluster("v1.36.2"))
    authority.days_used, authority.days_left = 300, 100
    who = authority.identity("admin@test")
    operator.save(path, Operator(f"127.0.0.1:{coordinator.port}", who.key, who.certificate, who.authority))
    authority.days_used, authority.days_left = 0, 365
    return path


def test_a_certificate_near_its_end_is_renewed_once_and_keeps_its_key(
    config: Path, kfctl: Kfctl, fake: FakeCoordinator
) -> None:
    before = operator.load(config)
    assert before.identity.life_left < 1 / 3
    assert kfctl("nodes").exit_code == 0
    after = operator.load(config)
    assert after.identity.life_left > 0.9
    assert (after.key, after.identity.common_name) == (before.key, "admin@test")
    assert config.stat().st_mode & 0o777 == 0o600
    assert kfctl("nodes").exit_code == 0
    assert len(fake.requests("RenewIdentity")) == 1


def test_a_renewal_that_fails_is_a_warning(config: Path, kfctl: Kfctl, fake: FakeCoordinator) -> None:
    before = config.read_bytes()
    fake.failures["RenewIdentity"] = Refused("not today")
    result = kfctl("nodes")
    assert result.exit_code == 0
    assert "warning: the operator's certificate cannot be renewed: not today" in result.stderr
    assert config.read_bytes() == before


def test_a_configuration_that_cannot_be_written_is_a_warning(
    config: Path, kfctl: Kfctl, fake: FakeCoordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(operator, "save", full)
    result = kfctl("nodes")
    assert result.exit_code == 0
    assert f"{config}: No space left on device" in result.stderr


def test_operators_are_listed_with_the_one_who_asks(kfctl: Kfctl) -> None:
    assert [line.split() for line in kfctl("operator", "list").stdout.splitlines()] == [
        ["OPERATOR", "KEYS"],
        ["root@cp1*", "2"],
        ["admin@laptop", "1"],
    ]
    first = json.loads(kfctl("operator", "list", "-o", "json").stdout)[0]
    assert first == {"name": "root@cp1", "keys": 2, "caller": True}


def test_an_operator_is_revoked_after_a_yes_only(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    assert kfctl("operator", "revoke", "admin@laptop", input="n\n").exit_code == 1
    assert fake.requests("RevokeOperator") == []
    assert kfctl("operator", "revoke", "admin@laptop", "--yes").stdout == "admin@laptop is revoked\n"
    assert [each.name for each in fake.requests("RevokeOperator")] == ["admin@laptop"]
