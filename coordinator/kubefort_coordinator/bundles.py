"""The coordinator's bundles: copied in and served to agents."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from kubefort import document, files
from kubefort.bundle import MANIFEST, BundleArtifact, Manifest, read_manifest
from kubefort.errors import InvalidInput, KubefortError, Refused
from kubefort.model.spec import Artifact

CHUNK = 256 << 10


class Bundles:
    """The coordinator's bundles, each in a folder named after its Kubernetes version."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifests: dict[str, Manifest] = {}

    def add(self, source: Path) -> Manifest:
        """Copy a bundle in, verified; one that is there with the same manifest stays as it is. Blocks.

        Raises InvalidInput where a file is missing or its checksum is wrong.
        """
        manifest = read_manifest(source)
        target = self._folder / manifest.kubernetes_version
        if target.is_dir() and read_manifest(target) == manifest:
            return manifest
        files.make_folder(self._folder, 0o700)
        fresh = self._folder / f".{manifest.kubernetes_version}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            for artifact in manifest.artifacts:
                _copy(source / artifact.file, fresh / artifact.file, artifact)
            files.write(fresh / MANIFEST, document.encode(manifest))
            for folder in {(fresh / artifact.file).parent for artifact in manifest.artifacts}:
                files.sync_folder(folder)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise KubefortError(f"copying the bundle {source}: {error}", "free space, then add it again") from error
        except KubefortError:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        shutil.rmtree(target, ignore_errors=True)
        os.replace(fresh, target)
        files.sync_folder(self._folder)
        self._manifests.pop(manifest.kubernetes_version, None)
        return manifest

    def all(self) -> list[Manifest]:
        """All bundles, by version."""
        if not self._folder.is_dir():
            return []
        versions = sorted(path.name for path in self._folder.iterdir() if not path.name.startswith("."))
        return [self.get(version) for version in versions]

    def get(self, version: str) -> Manifest:
        """The bundle of a Kubernetes version; raises Refused where there is none."""
        if version not in self._manifests:
            folder = self._folder / version
            if not (folder / MANIFEST).is_file():
                raise Refused(f"there is no bundle for {version}", "add one with `kfctl bundle add FOLDER`")
            self._manifests[version] = read_manifest(folder)
        return self._manifests[version]

    def artifacts(self, version: str) -> tuple[Artifact, ...]:
        return tuple(line.artifact for line in self.get(version).artifacts)

    def need_programs(self, version: str, components: Iterable[str]) -> None:
        """Raises Refused where the bundle of a version has no programs of components that shall run as units."""
        there = {artifact.name for artifact in self.artifacts(version) if artifact.kind == "binary"}
        missing = [name for name in components if name not in there]
        if missing:
            raise Refused(
                f"the bundle of {version} has no programs of {', '.join(missing)}, only images",
                "make it again with `kfctl bundle create`, then `kfctl bundle add` it",
            )

    def find(self, sha256: str) -> Path:
        """The file with that checksum; raises Refused where no bundle has it."""
        for manifest in self.all():
            for line in manifest.artifacts:
                if line.sha256 == sha256:
                    return self._folder / manifest.kubernetes_version / line.file
        raise Refused(f"no bundle has the artifact {sha256}")


def _copy(source: Path, target: Path, expected: BundleArtifact) -> None:
    digest, size = hashlib.sha256(), 0
    files.make_folder(target.parent, 0o700)
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    if (digest.hexdigest(), size) != (expected.sha256, expected.size):
        raise InvalidInput(
            f"{source} is damaged: its checksum or size is not the one in the manifest",
            "copy the bundle again, then `kfctl bundle verify` it",
        )
