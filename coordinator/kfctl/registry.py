"""Images from a registry as docker-archives. OCI distribution specification 1.1, anonymous, reading only."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import tempfile
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubefort.errors import InvalidInput

from kfctl.web import Answer, download, opened

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_MAX_MANIFEST = 4 << 20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """An image's full reference, such as registry.k8s.io/coredns/coredns:v1.13.1."""

    host: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises InvalidInput where registry or tag are missing."""
        found = re.fullmatch(r"([a-z0-9.-]+(?::\d+)?)/([a-z0-9._/-]+):([A-Za-z0-9_][A-Za-z0-9._-]{0,127})", text)
        if found is None or ("." not in found[1] and ":" not in found[1]):
            raise InvalidInput(f'"{text}" is not a full reference', "write it like registry.k8s.io/pause:3.10")
        return cls(found[1], found[2], found[3])

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}:{self.tag}"

    @property
    def name(self) -> str:
        """The last part of the repository."""
        return self.repository.rpartition("/")[2]


class Registry:
    """A registry at a base URL; asks for an anonymous token where it wants one."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        self._headers: dict[str, str] = {}

    def pull(self, reference: Reference, target: Path, architecture: str) -> None:
        """Write the image for linux/`architecture` to `target`; every part is checked by its digest."""
        manifest = self._image_manifest(reference, architecture)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pull-") as folder:
            blobs = {}
            for blob in (manifest["config"], *manifest["layers"]):
                digest = _checked(blob["digest"])
                blobs[digest] = Path(folder) / digest
                url = f"{self._base}/v2/{reference.repository}/blobs/sha256:{digest}"
                download(url, blobs[digest], digest, self._headers)
            _archive(reference, manifest, blobs, Path(folder) / "image.tar")
            (Path(folder) / "image.tar").replace(target)

    def _image_manifest(self, reference: Reference, architecture: str) -> dict[str, Any]:
        document = self._manifest(reference, reference.tag)
        if "manifests" in document:
            wanted = {"os": "linux", "architecture": architecture}
            for each in document["manifests"]:
                if wanted.items() <= each.get("platform", {}).items():
                    return self._manifest(reference, f"sha256:{_checked(each['digest'])}")
            raise InvalidInput(f"{reference} has no image for linux/{architecture}")
        return document

    def _manifest(self, reference: Reference, name: str) -> dict[str, Any]:
        body = self._get(f"/v2/{reference.repository}/manifests/{name}", {"Accept": ", ".join(_MANIFESTS)})
        if name.startswith("sha256:") and f"sha256:{hashlib.sha256(body).hexdigest()}" != name:
            raise InvalidInput(f"{reference}: the registry sent another manifest than {name}")
        try:
            document = json.loads(body)
        except ValueError as error:
            raise InvalidInput(f"{reference}: the registry's manifest is not JSON") from error
        if not isinstance(document, dict) or not {"manifests", "config"} & document.keys():
            raise InvalidInput(f"{reference}: a manifest of an unknown kind: schemaVersion 1?")
        return document

    def _get(self, path: str, headers: Mapping[str, str]) -> bytes:
        for last in (False, True):
            try:
                with opened(self._base + path, {**headers, **self._headers}) as response:
                    return response.read(_MAX_MANIFEST)
            except Answer as error:
                challenge = error.headers.get("www-authenticate", "")
                if last or error.code != 401 or not challenge.lower().startswith("bearer "):
                    raise
                self._headers = {"Authorization": f"Bearer {_token(challenge)}"}
        raise AssertionError


def _token(challenge: str) -> str:
    """An anonymous token as the registry's challenge asks for it."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({key: fields[key] for key in ("service", "scope") if key in fields})
    with opened(f"{fields.get('realm', '')}?{query}") as response:
        answer = json.loads(response.read(_MAX_MANIFEST))
    return str(answer.get("token") or answer["access_token"])


def _checked(digest: str) -> str:
    """The hexadecimal part of a digest."""
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput(f"the digest {digest} is not SHA-256")
    return digest.partition(":")[2]


def _archive(reference: Reference, manifest: dict[str, Any], blobs: dict[str, Path], target: Path) -> None:
    """docker-archive: config and layers under their digests, and a manifest.json. The same bytes for the same image."""
    config = _checked(manifest["config"]["digest"])
    layers = [_checked(layer["digest"]) for layer in manifest["layers"]]
    names = {config: f"{config}.json", **{layer: f"{layer}.tar" for layer in layers}}
    index = [{"Config": names[config], "RepoTags": [str(reference)], "Layers": [names[layer] for layer in layers]}]
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for digest, name in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = blobs[digest].stat().st_size
            with blobs[digest].open("rb") as file:
                tar.addfile(entry, file)
        body = json.dumps(index).encode()
        entry = tarfile.TarInfo("manifest.json")
        entry.size = len(body)
        tar.addfile(entry, io.BytesIO(body))
