"""Changes that an operator lays over a document of ours."""

from __future__ import annotations

from collections.abc import Mapping


def merge(document: Mapping[str, object], patch: Mapping[str, object]) -> dict[str, object]:
    """The document with the patch over it, much like Kubernetes' strategic merge.

    Maps are merged, None deletes, lists of things with names are merged by name, everything else is replaced.
    """
    result = dict(document)
    for key, value in patch.items():
        found = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merge(found if isinstance(found, Mapping) else {}, value)
        elif isinstance(value, list) and isinstance(found, list) and value and _named(value) and _named(found):
            result[key] = _merge_named(found, value)
        else:
            result[key] = value
    return result


def _named(items: list[object]) -> bool:
    return all(isinstance(item, Mapping) and "name" in item for item in items)


def _merge_named(items: list[Mapping[str, object]], patches: list[Mapping[str, object]]) -> list[dict[str, object]]:
    result = {str(item["name"]): dict(item) for item in items}
    for patch in patches:
        name = str(patch["name"])
        result[name] = merge(result.get(name, {}), patch)
    return list(result.values())
