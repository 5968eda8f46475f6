from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.hosts import KEEPALIVED_24, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.fail("network namespaces need root and iproute2: run `make integration` as root")
    one = Lab(tmp_path)
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def keepalived() -> str:
    program = shutil.which("keepalived")
    if program is None:
        pytest.fail("keepalived is not installed: `make integration` installs it")
    return program


@pytest.fixture
def keepalived_24() -> str:
    if not KEEPALIVED_24.exists():
        pytest.skip(f"no {KEEPALIVED_24}: only its captured packets are tested")
    return str(KEEPALIVED_24)
