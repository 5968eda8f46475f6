"""Comparison by meaning: documents become plain values in which order, spelling and zero values say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ZERO: tuple[object, ...] = ("0s", "0", 0, None, "", {}, [])


def pod(document: Mapping[str, Any]) -> dict[str, Any]:
    """A static pod: its command as a map of flags, volumes and mounts by name; what images are called is no matter."""
    result = without(document, "status")
    result["metadata"] = without(result["metadata"], "creationTimestamp")
    (container,) = result["spec"]["containers"]
    program, *flags = container["command"]
    result["container"] = without(container, "image") | {
        "command": program,
        "args": dict(flag.removeprefix("--").split("=", 1) for flag in flags),
        "volumeMounts": by_name(container["volumeMounts"]),
    }
    result["spec"] = without(result["spec"], "containers") | {"volumes": by_name(result["spec"]["volumes"])}
    return result


def by_name(items: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {item["name"]: item for item in items}


def without(document: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in keys}


def pruned(value: Any) -> Any:
    """A value without zero values, at every depth."""
    if isinstance(value, Mapping):
        items = {key: pruned(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is False or item not in ZERO}
    if isinstance(value, list):
        return [pruned(item) for item in value]
    return value


def differences(theirs: Any, ours: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Path → (theirs, ours) of every leaf that differs; None stands for nothing."""
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        found: dict[str, tuple[Any, Any]] = {}
        for key in sorted({*theirs, *ours}):
            found |= differences(theirs.get(key), ours.get(key), f"{path}/{key}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        numbers = range(len(ours))
        return differences(dict(zip(numbers, theirs, strict=True)), dict(zip(numbers, ours, strict=True)), path)
    return {} if theirs == ours else {path: (theirs, ours)}
