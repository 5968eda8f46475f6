"""The cluster's objects: ours against those that the real kubeadm's dry run creates, by meaning."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from kubefort.kubeadm.certificates import AUTHORITY_FILES
from kubefort.kubeadm.versions import parse, rules
from kubefort.model.spec import NodeSpec
from kubefort_coordinator.kubernetes.objects import addon_objects, cluster_objects

from tests.conformance.compare import differences, pruned, without
from tests.conformance.deliberate import expected
from tests.conformance.stock import Stock

TOKEN = re.compile(r"Secret bootstrap-token-\w+")
HASH = "kubeadm.kubernetes.io/component-config.hash"


def test_objects(theirs: Stock, spec: NodeSpec) -> None:
    authority = theirs.file(AUTHORITY_FILES["kubernetes"]).read_bytes()
    ours = by_key(
        [
            *cluster_objects(spec.cluster, spec.artifacts, [spec.node], authority),
            *addon_objects(spec.cluster, spec.artifacts),
        ]
    )
    stock = {key: content for key, content in by_key(theirs.objects).items() if not TOKEN.fullmatch(key)}
    for key in sorted({*ours, *stock}):
        found = differences(stock.get(key), ours.get(key))
        assert set(found) == expected(theirs.version, f"object {key}"), (key, found)


def test_control_plane_labels_and_taints(theirs: Stock) -> None:
    table = rules(parse(theirs.version))
    marking = "".join(line for line in theirs.log.splitlines() if line.startswith("[mark-control-plane]"))
    assert set(re.findall(r"[\w.-]*node[\w.-]*kubernetes\.io/[\w-]+(?!:|[\w-])", marking)) == set(
        table.control_plane_labels
    )
    assert set(re.findall(r"([\w.-]+kubernetes\.io/[\w-]+):NoSchedule", marking)) == set(table.control_plane_taints)


def by_key(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{item['kind']} {item['metadata']['name']}": meaning(item) for item in objects}


def meaning(item: Mapping[str, Any]) -> Any:
    """An object without what says nothing: zero values, order, defaults, checksums, images, this run's authority."""
    result = dict(item)
    if item["kind"] == "ConfigMap":
        result["data"] = {name: parsed(text) for name, text in item["data"].items()}
        result["metadata"] = dict(item["metadata"])
        result["metadata"]["annotations"] = without(item["metadata"].get("annotations") or {}, HASH)
    if "subjects" in item:
        result["subjects"] = [without(subject, "apiGroup") for subject in item["subjects"]]
    if item["kind"].startswith("ClusterRole"):
        # 1.20 writes a namespace here, which the API server drops.
        result["metadata"] = without(item["metadata"], "namespace")
    return pruned(sorted_by_name(result))


def parsed(text: str) -> Any:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    if not isinstance(content, dict):
        return text
    content.pop("imageRepository", None)
    return no_false(content)


def no_false(value: Any) -> Any:
    """A configuration without what is false (nothing in these is true by default), and without this run's authority."""
    if isinstance(value, Mapping):
        items = without(value, "certificate-authority-data").items()
        return {key: no_false(item) for key, item in items if item is not False}
    return [no_false(item) for item in value] if isinstance(value, list) else value


def sorted_by_name(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: sorted_by_name(item) for key, item in value.items() if key != "image"}
    if isinstance(value, list):
        items = [sorted_by_name(item) for item in value]
        named = all(isinstance(item, Mapping) and "name" in item for item in items)
        return sorted(items, key=lambda item: str(item["name"])) if named else items
    return value
