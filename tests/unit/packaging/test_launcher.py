"""The launcher: the package's modules and the standard library, on whichever Python the host has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import build

PROGRAM = """
import sys
def main():
    print(sys.argv[1:], binary.NAME, shared.NAME, [path for path in sys.path if "site-packages" in path])
    return 7
import binary, shared
"""


def interpreters() -> list[str]:
    """Every Python from 3.10 to 3.13 that is installed here: this one, the system's, pyenv's."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for minor in (10, 11, 12, 13):
        places = [*Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/python3.{minor}")]
        system = shutil.which(f"python3.{minor}", path="/usr/bin:/usr/local/bin")
        places += [Path(system)] if system else []
        if places:
            found.setdefault(f"3.{minor}", str(places[0]))
    return sorted(found.values())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host's file tree with one program, shared modules, and binary modules for 3.10 to 3.13."""
    home = tmp_path / "usr/lib/kubefort"
    for minor in (10, 11, 12, 13):
        (home / f"cp3{minor}").mkdir(parents=True)
        (home / f"cp3{minor}/binary.py").write_text(f"NAME = 'cp3{minor}'")
    (home / "common").mkdir()
    (home / "common/shared.py").write_text("NAME = 'shared'")
    (home / "program").mkdir()
    (home / "program/__init__.py").write_text("")
    (home / "program/main.py").write_text(PROGRAM)
    (tmp_path / "usr/sbin").mkdir()
    (tmp_path / "usr/sbin/prog").write_text(build.launcher("program.main"))
    return tmp_path


def start(python: str, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [python, "-IBS", str(root / "usr/sbin/prog"), "one", "--two"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.parametrize("python", interpreters())
def test_runs_with_the_modules_for_its_python(python: str, root: Path) -> None:
    version = subprocess.run(
        [python, "-c", "import sys; print('cp%d%d' % sys.version_info[:2])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    ended = start(python, root)
    assert (ended.stderr, ended.returncode) == ("", 7)
    assert ended.stdout.strip() == f"['one', '--two'] {version} shared []"


def test_ignores_the_environment_and_leaves_no_bytecode(root: Path, tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/shared.py").write_text("NAME = 'evil'")
    ended = start(sys.executable, root, PYTHONPATH=str(tmp_path / "evil"))
    assert " shared " in ended.stdout
    assert not list(root.rglob("__pycache__"))


def test_a_link_to_the_program_finds_the_same_modules(root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root / "usr/sbin/prog")
    ended = subprocess.run([sys.executable, "-IBS", str(link)], capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("[] cp3")


def test_a_python_that_is_not_served_is_named_in_one_sentence(root: Path) -> None:
    for folder in (root / "usr/lib/kubefort").glob("cp3*"):
        shutil.rmtree(folder)
    (root / "usr/lib/kubefort/cp330").mkdir()
    ended = start(sys.executable, root)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"prog: Python 3.{sys.version_info[1]} is not served by this package: install one of python3.30\n"
    )


def test_first_line_isolates_from_the_hosts_python() -> None:
    assert build.launcher("x.main").startswith("#!/usr/bin/python3 -IBS\n")
