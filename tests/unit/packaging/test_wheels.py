"""Which wheel goes into which folder, and which of its entries."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from wheels import Wheel, place, unpack, wanted


@pytest.mark.parametrize(
    ("name", "project", "serves_all"),
    [
        ("click-8.5.1-py3-none-any.whl", "click", True),
        ("cryptography-50.0.2-cp39-abi3-manylinux_2_28_x86_64.whl", "cryptography", True),
        ("typing_extensions-4.16.0-py3-none-any.whl", "typing-extensions", True),
        ("grpcio-1.85.1-cp310-cp310-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "grpcio", False),
        ("thing-1.0-2-cp312-cp312-manylinux_2_28_x86_64.whl", "thing", False),
    ],
)
def test_a_wheels_name_says_whom_it_serves(name: str, project: str, serves_all: bool) -> None:
    wheel = Wheel(Path(name))
    assert (wheel.project, wheel.serves_all) == (project, serves_all)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("grpc/_cython/_credentials/roots.pem", True),
        ("x-1.0.dist-info/METADATA", True),
        ("x-1.0.dist-info/licenses/LICENSE", True),
        ("x-1.0.dist-info/RECORD", False),
        ("psutil/tests/test_all.py", False),
        ("x/tests.py", True),
        ("x/module.pyi", False),
    ],
)
def test_only_what_runs_is_kept(entry: str, expected: bool) -> None:
    assert wanted(entry) is expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("x/a.py", "x/a.py"),
        ("x-1.data/purelib/x/b.py", "x/b.py"),
        ("x-1.data/platlib/x.so", "x.so"),
        ("x-1.data/scripts/tool", None),
        ("x-1.data/data/share/man/x.1", None),
    ],
)
def test_data_folders_are_dissolved(entry: str, expected: str | None) -> None:
    assert place(entry) == expected


def test_unpack_writes_the_modules_and_nothing_outside(tmp_path: Path) -> None:
    path = tmp_path / "x-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/__init__.py", "NAME = 1")
        archive.writestr("x/tests/test_x.py", "")
        archive.writestr("x-1.0.data/platlib/y.py", "")
    unpack(Wheel(path), tmp_path / "out")
    found = sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert found == ["x/__init__.py", "y.py"]


def test_a_wheel_that_climbs_out_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../outside.py", "")
    with pytest.raises(SystemExit, match="outside"):
        unpack(Wheel(path), tmp_path / "out")
    assert not (tmp_path / "outside.py").exists()
