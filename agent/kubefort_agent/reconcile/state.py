"""What the reconciler keeps on disk: the NodeSpec that it was last given."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from kubefort import files, log
from kubefort.document import decode, encode
from kubefort.errors import InvalidInput, Refused
from kubefort.model.spec import NodeSpec

_log = log.get("spec")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class SpecFile:
    """spec.json: read at the start, replaced durably before a new spec is acted on.

    One that cannot be read (another version of us wrote it) is as good as none: the coordinator sends another.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._mark = path, path.with_name("reached")
        self.spec: NodeSpec | None = None
        self._reached: tuple[NodeSpec, bool] | None = None
        try:
            self.spec = decode(path.read_bytes(), NodeSpec, str(path))
        except FileNotFoundError:
            pass
        except InvalidInput as error:
            _log.error("the spec on disk cannot be read", error=str(error))

    @property
    def generation(self) -> int:
        return self.spec.generation if self.spec else 0

    def was_reached(self, spec: NodeSpec) -> bool:
        """Whether this host was in sync with this very spec before, maybe in an earlier life of ours."""
        if self._reached is None or self._reached[0] is not spec:
            try:
                found = self._mark.read_text()
            except FileNotFoundError:
                found = ""
            self._reached = (spec, found == _digest(spec))
        return self._reached[1]

    def mark_reached(self, spec: NodeSpec) -> None:
        if not self.was_reached(spec):
            files.write(self._mark, _digest(spec), 0o600)
            self._reached = (spec, True)

    def forget_reached(self) -> None:
        if self._mark.exists():
            files.remove(self._mark)
        self._reached = None

    def accept(self, spec: NodeSpec, own_name: str, *, bare: bool = False) -> bool:
        """Keep a spec; False where it is the one we have. Raises Refused for an older one and for another host's.

        A `bare` host (nothing of a cluster on it) takes any generation: it may belong to a new cluster.
        """
        if spec.node.name != own_name:
            raise Refused(f"a spec for the host {spec.node.name} came to {own_name}")
        if spec.generation < self.generation and not bare:
            raise Refused(f"generation {spec.generation} came after {self.generation}: an older spec is not taken")
        _refuse_paths(spec)
        if spec == self.spec:
            return False
        files.write(self._path, encode(spec), 0o600)
        self.spec = spec
        return True


def _refuse_paths(spec: NodeSpec) -> None:
    """What becomes part of a path of this host is a plain name, whoever sent it."""
    artifacts = (*spec.artifacts, *(spec.upgrade.artifacts if spec.upgrade else ()))
    names = [
        ("version", spec.cluster.kubernetes_version),
        *([("version", spec.upgrade.version)] if spec.upgrade else []),
        *(("artifact", artifact.name) for artifact in artifacts),
        *(("secret", key.secret) for key in spec.vip_keys),
    ]
    for what, name in names:
        if not _NAME.fullmatch(name):
            raise Refused(f"the spec names the {what} {name!r}, which cannot be a file's name")
    for artifact in artifacts:
        if not _DIGEST.fullmatch(artifact.sha256):
            raise Refused(f"the spec's artifact {artifact.name} has no SHA-256 but {artifact.sha256!r}")


def _digest(spec: NodeSpec) -> str:
    return hashlib.sha256(encode(spec)).hexdigest()
