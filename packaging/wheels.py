"""Third-party modules for kubefort-common: one folder for every Python we serve, one for each.

    <cache>/<key>/common    wheels that serve every version (pure Python, or the stable ABI)
    <cache>/<key>/cp310 …   wheels for that version alone

The key is that of the pinned list, the machine's kind and this file, so an unchanged set is unpacked once.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kubefort.run import run

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# manylinux_2_28 is the glibc of Debian 10, Ubuntu 20.04 and EL 8; the older names are those some wheels carry.
PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
LEFT_OUT_FOLDERS = frozenset({"tests", "__pycache__"})
LEFT_OUT_SUFFIXES = (".pyi", ".pxd", ".pyx", ".pxi", ".c", ".h", ".dist-info/RECORD", ".dist-info/WHEEL")


@dataclass(frozen=True)
class Wheel:
    """A wheel's file, read by its name: {name}-{version}(-{build})?-{python}-{abi}-{platform}.whl (PEP 427)."""

    path: Path

    @property
    def project(self) -> str:
        return self.path.name.split("-")[0].lower().replace("_", "-")

    @property
    def serves_all(self) -> bool:
        """True when one file serves every later Python 3 as well: no ABI, or the stable one."""
        return self.path.name.split("-")[-2] in ("none", "abi3")


def pinned() -> list[str]:
    """The lines of requirements.txt that pin something."""
    lines = (line.split("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines())
    return [line for line in lines if line]


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "kubefort-packages"


def wanted(entry: str) -> bool:
    """Whether a wheel's entry is needed at run time: not tests, stubs or sources."""
    return not (LEFT_OUT_FOLDERS & set(PurePosixPath(entry).parts[:-1]) or entry.endswith(LEFT_OUT_SUFFIXES))


def place(entry: str) -> str | None:
    """Where an entry goes below the folder: `x.data/purelib|platlib/…` is the folder itself, scripts go nowhere."""
    top, _, rest = entry.partition("/")
    if not top.endswith(".data"):
        return entry
    scheme, _, inner = rest.partition("/")
    return inner if scheme in ("purelib", "platlib") else None


def unpack(wheel: Wheel, folder: Path) -> None:
    with zipfile.ZipFile(wheel.path) as archive:
        for info in archive.infolist():
            name = place(info.filename)
            if info.is_dir() or name is None or not wanted(name):
                continue
            target = folder / name
            if not target.resolve().is_relative_to(folder.resolve()):
                sys.exit(f"{wheel.path.name} holds {info.filename}, outside of its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(info))


async def download(requirements: list[str], python: str, machine: str, folder: Path) -> list[Wheel]:
    """Fetch exactly these versions for one Python, wheels only, without what they depend on."""
    folder.mkdir(parents=True)
    await run(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", python),
        *(word for platform in PLATFORMS for word in ("--platform", f"{platform}_{machine}")),
        *("--dest", str(folder), *requirements),
        timeout=600,
    )
    return [Wheel(path) for path in sorted(folder.glob("*.whl"))]


async def gather(machine: str, target: Path, scratch: Path) -> None:
    """Download for the oldest Python; what does not serve the others is downloaded for each of them too."""
    first, *others = PYTHONS
    found = await download(pinned(), first, machine, scratch / first)
    single = {wheel.project for wheel in found if not wheel.serves_all}
    again = [line for line in pinned() if line.split("==")[0].lower().replace("_", "-") in single]
    rest = await asyncio.gather(*(download(again, python, machine, scratch / python) for python in others))
    for wheel in found:
        unpack(wheel, target / ("common" if wheel.serves_all else folder_of(first)))
    for python, wheels in zip(others, rest, strict=True):
        for wheel in wheels:
            unpack(wheel, target / folder_of(python))


def folder_of(python: str) -> str:
    return "cp" + python.replace(".", "")


async def third_party(machine: str) -> Path:
    """The folder with `common` and `cp3xx` for this machine's kind (x86_64, aarch64); made when it is missing."""
    text = "\n".join([*pinned(), machine, *PYTHONS, Path(__file__).read_text()])
    target = cache() / hashlib.sha256(text.encode()).hexdigest()[:16]
    if target.is_dir():
        return target
    print(f"downloading third-party modules for Python {PYTHONS[0]} to {PYTHONS[-1]} ({machine})")
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as temporary:
        fresh = Path(temporary) / "tree"
        await gather(machine, fresh, Path(temporary) / "wheels")
        try:
            fresh.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    forget_others(target)
    return target


def forget_others(keep: Path) -> None:
    """Of older sets, keep the newest two beside this one."""
    sets = sorted((path for path in cache().iterdir() if len(path.name) == 16), key=lambda path: path.stat().st_mtime)
    for path in [path for path in sets if path != keep][:-2]:
        shutil.rmtree(path, ignore_errors=True)
