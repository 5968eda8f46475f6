"""Bundle folders: the manifest, and whether the files are those it names."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import Literal

from kubefort import document
from kubefort.document import Document
from kubefort.errors import InvalidInput

MANIFEST = "manifest.json"


class BundleArtifact(Document, frozen=True):
    """A file of a bundle: `file` is relative to its folder, `size` in bytes, `ref` an image's reference."""

    kind: Literal["binary", "image"]
    name: str
    file: str
    sha256: str
    size: int
    ref: str = ""


class Manifest(Document, frozen=True):
    """manifest.json."""

    kubernetes_version: str
    etcd_version: str
    artifacts: tuple[BundleArtifact, ...]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle; raises InvalidInput where there is none, or one that is not to be trusted."""
    path = folder / MANIFEST
    try:
        manifest = document.decode(path.read_bytes(), Manifest, str(path))
    except OSError as error:
        raise InvalidInput(
            f"{folder} is not a bundle: {path.name}: {error.strerror}", "make one: `kfctl bundle create v1.36.2`"
        ) from error
    for artifact in manifest.artifacts:
        parts = PurePosixPath(artifact.file).parts
        if PurePosixPath(artifact.file).is_absolute() or ".." in parts:
            raise InvalidInput(f'{path}: the file "{artifact.file}" lies outside of the bundle')
    return manifest


def digest(path: Path) -> tuple[str, int]:
    """SHA-256 (hexadecimal) and size of a file."""
    hashed, count = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            hashed.update(chunk)
            count += len(chunk)
    return hashed.hexdigest(), count


def verify(folder: Path) -> Manifest:
    """The manifest of a bundle all of whose files were found as it says; raises InvalidInput that names the others."""
    manifest = read_manifest(folder)
    wrong = []
    for artifact in manifest.artifacts:
        try:
            found = digest(folder / artifact.file)
        except OSError as error:
            wrong.append(f"{artifact.file}: {error.strerror}")
            continue
        if found[1] != artifact.size:
            wrong.append(f"{artifact.file}: {found[1]} bytes, expected {artifact.size}")
        elif found[0] != artifact.sha256:
            wrong.append(f"{artifact.file}: its checksum is {found[0]}, expected {artifact.sha256}")
    if wrong:
        raise InvalidInput(
            f"{folder}: {len(wrong)} of {len(manifest.artifacts)} files are damaged:\n" + "\n".join(wrong),
            "copy the bundle again, or make it again: `kfctl bundle create`",
        )
    return manifest
