"""Bundles: copied whole and right, or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from kubefort.errors import InvalidInput, Refused
from kubefort_coordinator.bundles import Bundles


def bundle(folder: Path, content: bytes = b"kubelet", file: str = "bin/kubelet", version: str = "v1.36.2") -> Path:
    path = folder / "bin/kubelet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    line = {"kind": "binary", "name": "kubelet", "file": file, "sha256": digest, "size": len(content)}
    manifest = {"kubernetesVersion": version, "etcdVersion": "3.6.13", "artifacts": [line]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def bundles(tmp_path: Path) -> Bundles:
    return Bundles(tmp_path / "kept")


def test_a_bundle_is_found_by_version_and_checksum(bundles: Bundles, tmp_path: Path) -> None:
    manifest = bundles.add(bundle(tmp_path / "source"))
    assert [each.kubernetes_version for each in bundles.all()] == ["v1.36.2"]
    assert bundles.find(manifest.artifacts[0].sha256).read_bytes() == b"kubelet"
    assert bundles.artifacts("v1.36.2")[0].name == "kubelet"
    with pytest.raises(Refused, match="no bundle for"):
        bundles.get("v1.35.0")


def test_a_damaged_one_is_refused_and_leaves_the_good_one(bundles: Bundles, tmp_path: Path) -> None:
    good = bundles.add(bundle(tmp_path / "good"))
    bad = bundle(tmp_path / "bad", b"kubelet 2")
    (bad / "bin/kubelet").write_bytes(b"kubelet 3")
    with pytest.raises(InvalidInput, match="is damaged"):
        bundles.add(bad)
    assert bundles.all() == [good]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["v1.36.2"]


def test_a_newer_bundle_of_the_same_version_replaces_the_old(bundles: Bundles, tmp_path: Path) -> None:
    bundles.add(bundle(tmp_path / "one"))
    manifest = bundles.add(bundle(tmp_path / "two", b"another"))
    assert bundles.find(manifest.artifacts[0].sha256).read_bytes() == b"another"


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"file": "../outside"}, "outside"), ({"file": "/etc/passwd"}, "outside"), ({"version": "../x"}, "no Kubernetes")],
)
def test_a_manifest_that_leads_outside_is_refused(
    bundles: Bundles, tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        bundles.add(bundle(tmp_path / "source", **settings))  # type: ignore[arg-type]


def test_a_folder_without_manifest_is_no_bundle(bundles: Bundles, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a bundle"):
        bundles.add(tmp_path)
