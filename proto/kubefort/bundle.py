"""Bundles: folders with a manifest, and the binaries and images of one Kubernetes version that it names."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal

from kubefort import document
from kubefort.document import Document
from kubefort.errors import InvalidInput
from kubefort.kubeadm.versions import parse
from kubefort.model.spec import Artifact

MANIFEST = "manifest.json"


class BundleArtifact(Document, frozen=True):
    """A file of a bundle: `file` is relative to its folder, `size` in bytes, `ref` an image's reference."""

    kind: Literal["binary", "image"]
    name: str
    file: str
    sha256: str
    size: int
    ref: str = ""

    @property
    def artifact(self) -> Artifact:
        """What agents are told of it."""
        return Artifact(kind=self.kind, name=self.name, sha256=self.sha256, size=self.size, ref=self.ref)


class Manifest(Document, frozen=True):
    """manifest.json."""

    kubernetes_version: str
    etcd_version: str
    artifacts: tuple[BundleArtifact, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.artifacts)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle; raises InvalidInput where there is none, or one that is not to be trusted."""
    path = folder / MANIFEST
    try:
        manifest = document.decode(path.read_bytes(), Manifest, str(path))
    except OSError as error:
        raise InvalidInput(
            f"{folder} is not a bundle: {path.name}: {error.strerror}", "make one: `kfctl bundle create v1.36.2`"
        ) from error
    parse(manifest.kubernetes_version)
    for artifact in manifest.artifacts:
        file = PurePosixPath(artifact.file)
        if file.is_absolute() or ".." in file.parts:
            raise InvalidInput(f'{path}: the file "{artifact.file}" lies outside of the bundle')
    return manifest
