from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kfctl import web
from kfctl.bundles import verify
from kfctl.main import cli
from kfctl.registry import Reference, Registry
from kubefort.bundle import read_manifest
from kubefort.errors import InvalidInput, Unavailable

TOKEN = "let-me-read"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tarball(*names_and_contents: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in zip(names_and_contents[::2], names_and_contents[1::2], strict=True):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Site:
    """Files by path, and a registry that wants a token; `seen` are the paths that were asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.seen: list[str] = []
        self.base = ""

    def publish(self, path: str, content: bytes) -> None:
        self.files[path] = content
        self.files[f"{path}.sha256"] = f"{sha(content)}  {path.rpartition('/')[2]}\n".encode()

    def image(self, repository: str, tag: str, layer: bytes) -> dict[str, Any]:
        """An image for two architectures; returns the amd64 manifest."""
        entries, manifests = [], {}
        for architecture in ("arm64", "amd64"):
            config = json.dumps({"architecture": architecture}).encode()
            packed = gzip.compress(layer + architecture.encode(), mtime=0)
            for blob in (config, packed):
                self.files[f"/v2/{repository}/blobs/sha256:{sha(blob)}"] = blob
            manifest = {
                "config": {"digest": f"sha256:{sha(config)}"},
                "layers": [{"digest": f"sha256:{sha(packed)}"}],
            }
            body = json.dumps(manifest).encode()
            self.files[f"/v2/{repository}/manifests/sha256:{sha(body)}"] = body
            platform = {"os": "linux", "architecture": architecture}
            entries.append({"digest": f"sha256:{sha(body)}", "platform": platform})
            manifests[architecture] = manifest
        self.files[f"/v2/{repository}/manifests/{tag}"] = json.dumps({"manifests": entries}).encode()
        return manifests["amd64"]


@pytest.fixture
def site() -> Iterator[Site]:
    here = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            here.seen.append(path)
            body = here.files.get(path)
            if path == "/token":
                body = json.dumps({"token": TOKEN if "scope=pull" in query else ""}).encode()
            elif path.startswith("/v2/") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.send_response(401)
                challenge = f'Bearer realm="{here.base}/token",service="test",scope="pull"'
                self.send_header("WWW-Authenticate", challenge)
                self.end_headers()
                return
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield here
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_image_becomes_an_archive_of_the_wanted_architecture(site: Site, tmp_path: Path) -> None:
    manifest = site.image("pause", "3.10", b"layer")
    target = tmp_path / "pause.tar"
    Registry(site.base).pull(Reference.parse("registry.k8s.io/pause:3.10"), target, "amd64")
    with tarfile.open(target) as tar:
        index = json.loads(tar.extractfile("manifest.json").read())[0]  # type: ignore[union-attr]
        layer = tar.extractfile(index["Layers"][0]).read()  # type: ignore[union-attr]
    assert index["RepoTags"] == ["registry.k8s.io/pause:3.10"]
    assert index["Config"] == manifest["config"]["digest"].removeprefix("sha256:") + ".json"
    assert gzip.decompress(layer) == b"layeramd64"
    assert [path.name for path in tmp_path.iterdir()] == ["pause.tar"]


def test_an_architecture_that_is_not_there_is_named(site: Site, tmp_path: Path) -> None:
    site.image("pause", "3.10", b"layer")
    with pytest.raises(InvalidInput, match="no image for linux/s390x"):
        Registry(site.base).pull(Reference.parse("registry.k8s.io/pause:3.10"), tmp_path / "x.tar", "s390x")


def test_a_blob_with_another_digest_is_refused(site: Site, tmp_path: Path) -> None:
    manifest = site.image("pause", "3.10", b"layer")
    site.files[f"/v2/pause/blobs/{manifest['layers'][0]['digest']}"] = b"evil"
    with pytest.raises(InvalidInput, match="its checksum is"):
        Registry(site.base).pull(Reference.parse("registry.k8s.io/pause:3.10"), tmp_path / "x.tar", "amd64")
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_with_another_digest_is_refused(site: Site, tmp_path: Path) -> None:
    site.image("pause", "3.10", b"layer")
    for path in site.files:
        if "/manifests/sha256:" in path:
            site.files[path] += b" "
    with pytest.raises(InvalidInput, match="the registry sent another manifest"):
        Registry(site.base).pull(Reference.parse("registry.k8s.io/pause:3.10"), tmp_path / "x.tar", "amd64")


@pytest.mark.parametrize("text", ["pause:3.10", "library/nginx:1", "registry.k8s.io/pause", "registry.k8s.io/UP:1", ""])
def test_references_must_be_complete(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a full reference"):
        Reference.parse(text)


def test_a_download_with_another_checksum_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.files["/a"] = b"other"
    with pytest.raises(InvalidInput, match="expected"):
        web.download(f"{site.base}/a", tmp_path / "a", sha(b"right"))
    assert list(tmp_path.iterdir()) == []


def test_nobody_there_is_unavailable_after_some_tries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("kfctl.web.time.sleep", pauses.append)
    with pytest.raises(Unavailable, match="cannot be fetched"):
        web.download("http://127.0.0.1:9/a", tmp_path / "a", sha(b""))
    assert len(pauses) == web.TRIES - 1


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not an http"):
        web.text(f"file://{tmp_path}/a")


KUBEADM = b"""#!/bin/sh
echo registry.k8s.io/etcd:3.6.13-0
echo registry.k8s.io/coredns/coredns:v1.13.1
"""


@pytest.fixture
def release(site: Site) -> Site:
    """What the makers of v1.36.2 publish, small."""
    plain = ("kubelet", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    for name, content in (("kubeadm", KUBEADM), *((name, f"a {name}".encode()) for name in plain)):
        site.publish(f"/release/v1.36.2/bin/linux/amd64/{name}", content)
    tools = "/kubernetes-sigs/cri-tools/releases/download/v1.36.0/crictl-v1.36.0-linux-amd64.tar.gz"
    site.publish(tools, tarball("crictl", b"a crictl"))
    etcd, name = "/etcd-io/etcd/releases/download/v3.6.13", "etcd-v3.6.13-linux-amd64.tar.gz"
    folder = "etcd-v3.6.13-linux-amd64"
    archive = tarball(f"{folder}/etcd", b"an etcd", f"{folder}/etcdctl", b"an etcdctl")
    site.files[f"{etcd}/{name}"] = archive
    site.files[f"{etcd}/SHA256SUMS"] = f"{sha(b'')}  other.zip\n{sha(archive)}  {name}\n".encode()
    site.image("etcd", "3.6.13-0", b"etcd")
    site.image("coredns/coredns", "v1.13.1", b"coredns")
    return site


def create(site: Site, folder: Path) -> Any:
    sources = [f"--{name}={site.base}" for name in ("registry", "downloads", "github")]
    return CliRunner().invoke(cli, ["bundle", "create", "v1.36.2", "--output", str(folder), *sources])


def test_a_bundle_is_made_verified_and_not_fetched_twice(release: Site, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    first = create(release, folder)
    assert first.exit_code == 0, first.output
    manifest = verify(folder)
    assert (manifest.kubernetes_version, manifest.etcd_version) == ("v1.36.2", "3.6.13")
    names = {(each.kind, each.name): each.ref for each in manifest.artifacts}
    programs = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
    binaries = {("binary", name): "" for name in ("kubeadm", "kubelet", "kubectl", "crictl", "etcdctl", *programs)}
    assert names == binaries | {
        ("image", "etcd"): "registry.k8s.io/etcd:3.6.13-0",
        ("image", "coredns"): "registry.k8s.io/coredns/coredns:v1.13.1",
    }
    assert (folder / "bin" / "etcdctl").read_bytes() == b"an etcdctl"
    assert (folder / "bin" / "kubelet").stat().st_mode & 0o777 == 0o755
    before = (folder / "manifest.json").read_bytes()
    release.seen.clear()
    assert create(release, folder).exit_code == 0
    assert (folder / "manifest.json").read_bytes() == before
    assert "/release/v1.36.2/bin/linux/amd64/kubelet" not in release.seen


def test_a_damaged_bundle_names_each_file(release: Site, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    assert create(release, folder).exit_code == 0
    (folder / "bin" / "kubelet").write_bytes(b"A kubelet")
    (folder / "images" / "etcd.tar").unlink()
    (folder / "bin" / "crictl").write_bytes(b"short")
    result = CliRunner().invoke(cli, ["bundle", "verify", str(folder)])
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0].endswith("3 of 11 files are damaged:")
    assert lines[1:3] == [
        "bin/crictl: 5 bytes, expected 8",
        f"bin/kubelet: its checksum is {sha(b'A kubelet')}, expected {sha(b'a kubelet')}",
    ]
    assert lines[3] == "images/etcd.tar: No such file or directory"


@pytest.mark.parametrize("file", ["../../etc/passwd", "/etc/passwd"])
def test_a_manifest_that_points_outside_is_refused(tmp_path: Path, file: str) -> None:
    artifact = {"kind": "binary", "name": "x", "file": file, "sha256": sha(b""), "size": 0}
    manifest = {"kubernetesVersion": "v1.36.2", "etcdVersion": "3.6.13", "artifacts": [artifact]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match="lies outside of the bundle"):
        read_manifest(tmp_path)


def test_a_version_that_does_not_exist_is_said(site: Site, tmp_path: Path) -> None:
    result = create(site, tmp_path / "bundle")
    assert result.exit_code == 1
    assert "kubeadm.sha256: HTTP 404" in result.stderr
