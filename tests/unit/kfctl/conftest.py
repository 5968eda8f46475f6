from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kfctl import operator
from kfctl.main import cli
from kfctl.operator import Operator

from tests.unit.kfctl.fakes import FakeCoordinator, Running


@pytest.fixture
def fake() -> FakeCoordinator:
    return FakeCoordinator()


@pytest.fixture
def coordinator(fake: FakeCoordinator) -> Iterator[Running]:
    with Running(fake) as running:
        yield running


Kfctl = Callable[..., Result]


@pytest.fixture
def kfctl(coordinator: Running, tmp_path: Path) -> Kfctl:
    """Runs kfctl with an operator's identity of the fake coordinator."""
    config = tmp_path / "kfctl.yaml"
    who = coordinator.fake.authority.identity("admin@test")
    operator.save(config, Operator(f"127.0.0.1:{coordinator.port}", who.key, who.certificate, who.authority))

    def run(*arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["--kfctl-config", str(config), *arguments], input=input)

    return run


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]
