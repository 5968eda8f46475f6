"""`kfctl bundle create`: everything one Kubernetes version needs, from where its makers publish it."""

from __future__ import annotations

import asyncio
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import click
from kubefort import document, files
from kubefort.bundle import MANIFEST, BundleArtifact, Manifest
from kubefort.errors import InvalidInput
from kubefort.kubeadm.versions import Version, parse
from kubefort.run import run

from kfctl.bundles import digest
from kfctl.registry import Reference, Registry
from kfctl.web import download, text

KUBERNETES = (
    *("kubeadm", "kubelet", "kubectl"),
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler"),  # for hosts that run them as units
)
REGISTRY = "registry.k8s.io"
HUB = "https://registry-1.docker.io"


@dataclass(frozen=True)
class Sources:
    """Where things come from, as URLs; `registry` stands in for registry.k8s.io."""

    registry: str
    downloads: str
    github: str
    architecture: str


def create(version: str, folder: Path, sources: Sources, extra: tuple[str, ...]) -> None:
    """Fill `folder`; what is there already with the right checksum is kept."""
    wanted = parse(version)
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    for name in KUBERNETES:
        url = f"{sources.downloads}/release/{wanted}/bin/linux/{sources.architecture}/{name}"
        click.echo(url)
        _binary(folder / "bin" / name, url, text(f"{url}.sha256").split()[0])
    references = [Reference.parse(line) for line in images(folder / "bin" / "kubeadm", wanted)]
    etcd = next((r.tag.partition("-")[0] for r in references if r.name == "etcd"), "")
    if not etcd:
        raise InvalidInput(f"kubeadm {wanted} names no image of etcd")
    _crictl(folder, sources, wanted)
    _etcdctl(folder, sources, etcd)
    listed = [_listed(folder, "binary", path) for path in sorted((folder / "bin").iterdir()) if path.name[0] != "."]
    for reference in (*references, *(Reference.parse(each) for each in extra)):
        target = folder / "images" / f"{reference.name}.tar"
        click.echo(str(reference))
        _registry(reference, sources).pull(reference, target, sources.architecture)
        listed.append(_listed(folder, "image", target, str(reference)))
    manifest = Manifest(kubernetes_version=str(wanted), etcd_version=etcd, artifacts=tuple(listed))
    files.write(folder.absolute() / MANIFEST, document.encode(manifest))
    click.echo(f"{folder} is the bundle of Kubernetes {wanted}: {len(listed)} files")


def images(kubeadm: Path, version: Version) -> list[str]:
    """References of the images that kubeadm of this version uses."""
    said = asyncio.run(
        run(str(kubeadm.absolute()), "config", "images", "list", "--kubernetes-version", str(version), timeout=60)
    )
    return said.stdout.split()


def _registry(reference: Reference, sources: Sources) -> Registry:
    if reference.host == REGISTRY:
        return Registry(sources.registry)
    return Registry(HUB if reference.host == "docker.io" else f"https://{reference.host}")


def _binary(path: Path, url: str, sha256: str) -> None:
    download(url, path, sha256)
    path.chmod(0o755)


def _crictl(folder: Path, sources: Sources, version: Version) -> None:
    release = f"v1.{version.minor}.0"
    name = f"crictl-{release}-linux-{sources.architecture}.tar.gz"
    url = f"{sources.github}/kubernetes-sigs/cri-tools/releases/download/{release}/{name}"
    _unpacked(folder, url, text(f"{url}.sha256").split()[0], ("crictl",))


def _etcdctl(folder: Path, sources: Sources, version: str) -> None:
    base = f"{sources.github}/etcd-io/etcd/releases/download/v{version}"
    name = f"etcd-v{version}-linux-{sources.architecture}.tar.gz"
    found = re.search(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(name)}$", text(f"{base}/SHA256SUMS"), re.MULTILINE)
    if found is None:
        raise InvalidInput(f"{base}/SHA256SUMS does not name {name}")
    _unpacked(folder, f"{base}/{name}", found[1], ("etcd", "etcdctl"))


def _unpacked(folder: Path, url: str, sha256: str, programs: tuple[str, ...]) -> None:
    """Programs out of an archive that is thrown away."""
    click.echo(url)
    archive = folder / "bin" / f".{programs[-1]}.tar.gz"
    download(url, archive, sha256)
    for program in programs:
        with tarfile.open(archive) as tar:
            member = next((m for m in tar if m.isfile() and Path(m.name).name == program), None)
            content = tar.extractfile(member) if member else None
            if content is None:
                raise InvalidInput(f"{url} has no {program} in it")
            files.write((folder / "bin" / program).absolute(), content.read(), 0o755)
    archive.unlink()


def _listed(folder: Path, kind: str, path: Path, ref: str = "") -> BundleArtifact:
    sha256, size = digest(path)
    name = path.stem if kind == "image" else path.name
    return BundleArtifact(
        kind="image" if kind == "image" else "binary",
        name=name,
        file=str(path.relative_to(folder)),
        sha256=sha256,
        size=size,
        ref=ref,
    )
