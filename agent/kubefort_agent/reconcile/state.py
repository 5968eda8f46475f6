"""What the reconciler keeps on disk: the NodeSpec that it was last given."""

from __future__ import annotations

from pathlib import Path

from kubefort import files
from kubefort.document import decode, encode
from kubefort.errors import Refused
from kubefort.model.spec import NodeSpec


class SpecFile:
    """spec.json: read at the start, replaced durably before a new spec is acted on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.spec: NodeSpec | None = None
        if path.exists():
            self.spec = decode(path.read_bytes(), NodeSpec, str(path))

    @property
    def generation(self) -> int:
        return self.spec.generation if self.spec else 0

    def accept(self, spec: NodeSpec, own_name: str, *, bare: bool = False) -> bool:
        """Keep a spec; False where it is the one we have. Raises Refused for an older one and for another host's.

        A `bare` host (nothing of a cluster on it) takes any generation: it may belong to a new cluster.
        """
        if spec.node.name != own_name:
            raise Refused(f"a spec for the host {spec.node.name} came to {own_name}")
        if spec.generation < self.generation and not bare:
            raise Refused(f"generation {spec.generation} came after {self.generation}: an older spec is not taken")
        if spec == self.spec:
            return False
        files.write(self._path, encode(spec), 0o600)
        self.spec = spec
        return True
