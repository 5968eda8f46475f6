"""Swap areas: in use, in fstab, and as units of systemd."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kubefort import files
from kubefort.run import CommandFailed, run

if TYPE_CHECKING:
    from kubefort_agent.host.systemd import Systemd

MARK = "# kubefort: swap is off # "


def areas(root: Path) -> list[str]:
    """Devices and files that the kernel swaps to."""
    try:
        return [line.split()[0] for line in (root / "proc/swaps").read_text().splitlines()[1:] if line.split()]
    except OSError:
        return []


def fstab_lines(fstab: Path) -> list[str]:
    """Lines that would turn swap on at boot."""
    try:
        lines = _text(fstab).splitlines()
    except OSError:
        return []
    return [line for line in lines if not line.lstrip().startswith("#") and line.split()[2:3] == ["swap"]]


async def units(root: Path, systemd: Systemd) -> tuple[str, ...]:
    """Swap units that are there for another reason than fstab (zram, GPT partitions, an operator's own)."""
    if not areas(root):
        return ()
    return tuple(unit for unit in await systemd.list("swap") if unit.endswith(".swap"))


async def off(root: Path, systemd: Systemd) -> None:
    fstab = root / "etc/fstab"
    unwanted = fstab_lines(fstab)
    if unwanted:
        text = "\n".join(MARK + line if line in unwanted else line for line in _text(fstab).splitlines())
        _write(fstab, text + "\n")
        await systemd.reload()
    for unit in await units(root, systemd):
        await systemd.stop(unit)
        try:
            await systemd.mask(unit)
        except CommandFailed:  # a unit file in /etc cannot be masked
            await systemd.disable(unit)
    if areas(root):
        await run("swapoff", "--all", timeout=600)


async def restore(fstab: Path, in_use: tuple[str, ...]) -> None:
    """fstab's lines as they were, and the areas that were in use again; an area that cannot be is left."""
    if fstab.exists():
        text = _text(fstab)
        if MARK in text:
            _write(fstab, text.replace(MARK, ""))
    for area in in_use:
        await run("swapon", area, check=False)


def _text(fstab: Path) -> str:
    """Its comments may be in any encoding, and stay as they are."""
    return fstab.read_text(errors="surrogateescape")


def _write(fstab: Path, text: str) -> None:
    files.write(fstab, text.encode(errors="surrogateescape"), fstab.stat().st_mode & 0o7777)
