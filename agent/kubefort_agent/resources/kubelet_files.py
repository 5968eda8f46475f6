"""Files that kubelet writes for itself without fsync: where a power cut emptied them, it never starts again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files
from kubefort.paths import KUBELET

from kubefort_agent.resources.undo import Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host

PAIR = (KUBELET / "pki" / "kubelet.crt", KUBELET / "pki" / "kubelet.key")
"""Its self-signed serving certificate. Kubelet makes both anew where both are missing (seen with v1.20.2: it exits with
"failed to find any PEM data in certificate input" where they are empty, at every start)."""

STATES = ("cpu_manager_state", "memory_manager_state", "dra_manager_state")
"""Checkpoints: JSON, or kubelet's container manager refuses to start (pkg/kubelet/cm/*/state/state_checkpoint.go)."""


@dataclass(frozen=True)
class KubeletFiles:
    """What kubelet keeps for itself is whole or not there."""

    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return "kubelet's own files"

    async def diff(self, host: Host) -> tuple[str, ...]:
        return tuple(f"{path}: is cut off, wanted whole or not there" for path in self._broken(host))

    async def apply(self, host: Host) -> None:
        for path in self._broken(host):
            files.remove(host.path(path))

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return ()

    def _broken(self, host: Host) -> Iterator[Path]:
        contents = [_content(host.path(path)) for path in PAIR]
        if any(content is not None and b"-----END " not in content for content in contents):
            yield from (path for path, content in zip(PAIR, contents, strict=True) if content is not None)
        for name in STATES:
            content = _content(host.path(KUBELET / name))
            if content is not None and not _is_json(content):
                yield KUBELET / name


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True
