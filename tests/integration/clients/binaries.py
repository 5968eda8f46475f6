"""Real programs for tests: from the artifacts' folder where there is one; else from the lab, and etcd from Debian.

Unpacked once into ~/.cache/kubefort-tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.lab.artifacts import programs

ROOT = Path(__file__).resolve().parents[3]
CACHE = Path.home() / ".cache/kubefort-tests"
_ARCHIVES = {
    "kube-current-linux-amd64.tar.xz": "--xz",
    "kube-lab-linux-amd64.tar.zst": "--use-compress-program=zstd -d --long=28",
}


def artifacts() -> Path | None:
    """The folder with Kubernetes' binaries, None where there is none."""
    folder = Path(os.environ.get("KUBEFORT_ARTIFACTS") or ROOT.parent / "shared/kube")
    return folder if folder.is_dir() else None


def kubernetes(version: str, *names: str) -> tuple[Path, ...]:
    """Programs of a Kubernetes version like v1.36.2; raises FileNotFoundError or LabError where there are none."""
    if artifacts() is None:
        return tuple(programs(version) / name for name in names)
    old = int(version.split(".")[1]) < 30
    archive = "kube-lab-linux-amd64.tar.zst" if old else "kube-current-linux-amd64.tar.xz"
    return _unpacked(archive, [f"{version}/{name}" for name in names])


def etcd() -> Path:
    """An etcd: the artifacts' one, or Debian's package, unpacked and not installed (a service would start)."""
    folder = artifacts()
    if folder is not None and (folder / "kube-current-linux-amd64.tar.xz").is_file():
        return _unpacked("kube-current-linux-amd64.tar.xz", ["tools/etcd"])[0]
    return debian_etcd()


def debian_etcd() -> Path:
    """etcd of Debian's etcd-server."""
    target = CACHE / "debian"
    program = target / "usr/bin/etcd"
    if not program.is_file():
        with tempfile.TemporaryDirectory() as temporary:
            # Root's files cannot be written by apt's sandbox user; as root itself it only warns about that.
            subprocess.run(["apt-get", "-q", "download", "etcd-server"], cwd=temporary, check=True, timeout=300)
            package = next(Path(temporary).glob("etcd-server_*.deb"))
            subprocess.run(["dpkg", "-x", str(package), f"{temporary}/root"], check=True, timeout=120)
            _move(Path(temporary) / "root/usr/bin/etcd", program)
    return program


def _unpacked(archive: str, members: Sequence[str]) -> tuple[Path, ...]:
    folder = artifacts()
    source = (folder or Path("/nonexistent")) / archive
    if not source.is_file():
        raise FileNotFoundError(f"{source} (set KUBEFORT_ARTIFACTS to the folder that holds it)")
    target = CACHE / f"{archive}-{source.stat().st_size}"
    missing = [member for member in members if not (target / member).is_file()]
    if missing:
        with tempfile.TemporaryDirectory() as temporary:
            how = _ARCHIVES[archive]
            subprocess.run(["tar", how, "-xf", str(source), "-C", temporary, *missing], check=True, timeout=300)
            for member in missing:
                _move(Path(temporary) / member, target / member)
    return tuple(target / member for member in members)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy2(source, fresh)
    fresh.replace(target)
