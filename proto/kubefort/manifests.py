"""Kubernetes manifests as operators give them: YAML files with one or many objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kubefort.errors import InvalidInput

Object = dict[str, Any]


def objects(content: str, name: str) -> list[Object]:
    """The objects of a manifest in order, those of a List one by one; `name` stands in the InvalidInput it raises."""
    try:
        documents = list(yaml.safe_load_all(content))
    except yaml.YAMLError as error:
        raise InvalidInput(f"{name} is not YAML: {error}", "see whether the download was complete") from error
    found: list[Object] = []
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "List":
            found += document.get("items") or []
        elif document is not None:
            found.append(document)
    for each in found:
        if not _is_object(each):
            raise InvalidInput(f"{name}: a document of it is no Kubernetes object", "each has apiVersion, kind, name")
    if not found:
        raise InvalidInput(f"{name} has no Kubernetes object in it", "name another file in podNetworkManifests")
    return found


def read(path: Path) -> str:
    """The content of a manifest, checked; raises InvalidInput."""
    try:
        content = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        raise InvalidInput(f"{path} cannot be read: {why}", "name an existing file in podNetworkManifests") from error
    objects(content, str(path))
    return content


def _is_object(document: object) -> bool:
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        return False
    return all(
        isinstance(text, str) and text
        for text in (document.get("apiVersion"), document.get("kind"), document["metadata"].get("name"))
    )
