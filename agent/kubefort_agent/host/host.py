"""A host as resources see it: its files below a root, its edges, and what only the coordinator can supply."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kubefort_agent.host.containerd import Containerd
from kubefort_agent.host.netlink import Routes
from kubefort_agent.host.pki import Pki
from kubefort_agent.host.systemd import Systemd

if TYPE_CHECKING:
    from kubefort.model.spec import Artifact


class Supplies(Protocol):
    """What comes from the coordinator. All raise Unavailable while nobody answers."""

    async def secret(self, name: str) -> bytes:
        """A secret by its name, like pki/ca.crt."""

    async def sign(self, name: str, request: str) -> str:
        """The certificate (PEM) for a request (PEM) for the certificate `name` of this host."""

    async def artifact(self, artifact: Artifact) -> Path:
        """The artifact's file on this host's disk, whole and checked."""

    def forget(self, artifact: Artifact) -> None:
        """The artifact's file is not needed any more: what it held is elsewhere now."""


class NoSupplies:
    """Supplies of a host without a coordinator: there are none."""

    async def secret(self, name: str) -> bytes:
        raise FileNotFoundError(f"secret {name}: no coordinator is known")

    async def sign(self, name: str, request: str) -> str:
        raise FileNotFoundError(f"certificate {name}: no coordinator is known")

    async def artifact(self, artifact: Artifact) -> Path:
        raise FileNotFoundError(f"artifact {artifact.name}: no coordinator is known")

    def forget(self, artifact: Artifact) -> None:
        pass


@dataclass
class Host:
    """`root` stands before every path, so that tests never touch the real system.

    verdicts  what a costly look found, by key: (fingerprint of the files looked at, verdict); see `resources.verdict`
    """

    root: Path = Path("/")
    supplies: Supplies = field(default_factory=NoSupplies)
    systemd: Systemd = field(default_factory=Systemd)
    containerd: Containerd = field(default_factory=Containerd)
    routes: Routes = field(default_factory=Routes)
    pki: Pki = field(default_factory=Pki)
    verdicts: dict[str, tuple[object, tuple[str, ...]]] = field(default_factory=dict)

    def path(self, path: Path | str) -> Path:
        """Where an absolute path of the host lies for us."""
        return self.root / str(path).lstrip("/")

    def look_afresh(self) -> None:
        """Forget what edges remember of an earlier look."""
        self.systemd.forget()
        self.containerd.forget()
