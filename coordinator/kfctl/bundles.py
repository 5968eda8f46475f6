"""Whether a bundle's files are those that its manifest names."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kubefort.bundle import Manifest, read_manifest
from kubefort.errors import InvalidInput


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
