"""Container images as files, made without an engine: the archive that `docker save` writes, always the same bytes.

Read by `docker load` and `ctr images import` alike. Source: moby's image/spec/v1.2.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """What an image holds: `files` maps a path in it (no leading slash) to a local file, `links` a path to its target.

    base: uncompressed tar files that become layers below.
    """

    ref: str
    entrypoint: Sequence[str]
    files: dict[str, Path]
    links: dict[str, str]
    folders: Sequence[str] = ("tmp", "etc")
    base: Sequence[Path] = ()


def write(image: Image, target: Path) -> None:
    """Write the image's archive to `target`; a temporary file beside it holds the layer meanwhile."""
    layer = target.with_suffix(".layer")
    with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as tar:
        for folder in sorted({str(parent) for path in _paths(image) for parent in Path(path).parents} - {"."}):
            tar.addfile(_entry(folder, tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755))
        for name, source in sorted(image.files.items()):
            entry = _entry(name, tarfile.REGTYPE, 0o755)
            entry.size = source.stat().st_size
            with source.open("rb") as handle:
                tar.addfile(entry, handle)
        for name, link in sorted(image.links.items()):
            entry = _entry(name, tarfile.SYMTYPE, 0o777)
            entry.linkname = link
            tar.addfile(entry)
    layers = [(sha256(path), path) for path in [*image.base, layer]]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2020-01-01T00:00:00Z",
            "config": {"Entrypoint": list(image.entrypoint), "Env": [PATH], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest, _ in layers]},
            "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "kubefort lab"} for _ in layers],
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [image.ref], "Layers": [f"{digest}/layer.tar" for digest, _ in layers]}]
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for digest, path in layers:
            entry = _entry(f"{digest}/layer.tar", tarfile.REGTYPE, 0o644)
            entry.size = path.stat().st_size
            with path.open("rb") as handle:
                tar.addfile(entry, handle)
        for path_in, data in ((name, config), ("manifest.json", json.dumps(manifest).encode())):
            entry = _entry(path_in, tarfile.REGTYPE, 0o644)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    layer.unlink()


def _paths(image: Image) -> Iterable[str]:
    yield from image.files
    yield from image.links
    yield from (f"{folder}/x" for folder in image.folders)


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.mtime = kind, mode, 0
    return entry


def sha256(path: Path) -> str:
    """A file's digest in hex."""
    with path.open("rb") as handle:
        digest = hashlib.sha256()
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
