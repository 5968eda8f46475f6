"""Labs for the end-to-end tests: one for each module, its hosts' logs kept in build/ when a test failed."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.lab import Lab

LOGS = Path(__file__).parents[2] / "build" / "logs"
_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        module = item.getparent(pytest.Module)
        assert module is not None
        module.stash[_failed] = True
    return report


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of the module's own, empty at first."""
    name = re.sub(r"[^a-z0-9]+", "-", request.module.__name__.rsplit(".", 1)[-1].removeprefix("test_").lower())
    with Lab(name) as lab:
        yield lab
        if request.node.stash.get(_failed, False):
            lab.logs(LOGS / name)
