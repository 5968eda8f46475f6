"""Manifests of a pod network: read, checked, taken apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubefort.errors import InvalidInput
from kubefort.manifests import objects, read

ONE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-flannel}\n"
LIST = """\
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: x}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: x}}
"""


def test_objects_come_in_the_order_of_the_file_and_lists_are_taken_apart() -> None:
    found = objects(f"---\n{ONE}---\n# nothing\n---\n{LIST}", "f")
    assert [each["metadata"]["name"] for each in found] == ["kube-flannel", "a", "b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no Kubernetes object in it"),
        ("a: [", "is not YAML"),
        ("<html>404</html>", "no Kubernetes object"),
        ("kind: X\nmetadata: {name: a}\n", "no Kubernetes object"),
        ("apiVersion: v1\nkind: X\nmetadata: {}\n", "no Kubernetes object"),
    ],
)
def test_what_is_no_manifest_is_named(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "net.yaml").write_text(content)
    with pytest.raises(InvalidInput, match=words) as caught:
        read(tmp_path / "net.yaml")
    assert "net.yaml" in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.yaml cannot be read: No such file"):
        read(tmp_path / "none.yaml")
