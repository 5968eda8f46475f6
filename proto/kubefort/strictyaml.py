"""YAML as plain data with the place of every value, and nothing that lets a small file become a large one.

Refused, with line and column: aliases, duplicate keys, merge keys, tags, keys that are not text, several documents,
more than 1 MiB, deep nesting.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from kubefort.errors import InvalidInput

MAX_BYTES = 1 << 20
MAX_DEPTH = 40
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp", "map", "seq")}


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Source:
    """A document's plain data; `values` and `keys` map paths such as hosts[2].role to where they stand."""

    data: Any
    values: dict[str, Place] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)

    def place(self, path: str) -> Place | None:
        """Where the value at `path` stands, or the nearest value around it."""
        while path not in self.values:
            if not path:
                return None
            path = re.sub(r"(\.?[^.\[\]]+|\[[^\[\]]*\])$", "", path) if re.search(r"[.\[]", path) else ""
        return self.values[path]


def child(path: str, key: str | int) -> str:
    """The path of a part of what is at `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if re.fullmatch(r"[\w-]+", key):
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(key)}]"


def parse(content: bytes | str, name: str) -> Source:
    """Read one document; `name` (a file's name) begins the message of the InvalidInput that anything wrong raises."""
    if len(content) > MAX_BYTES:
        raise InvalidInput(f"{name}: larger than {MAX_BYTES >> 20} MiB", "give the file that describes the cluster")
    try:
        text = content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name}: not UTF-8 text (byte {error.start})") from error
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            return _Reader(name, loader).read(node)
        finally:
            loader.dispose()
    except _Refusal as error:
        raise InvalidInput(_at(name, error.mark) + error.text, error.hint) from error
    except yaml.MarkedYAMLError as error:
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise InvalidInput(_at(name, error.problem_mark or error.context_mark) + said) from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{name}: {' '.join(str(error).split())}") from error


def _at(name: str, mark: Any) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}: " if mark is not None else f"{name}: "


class _Refusal(Exception):
    def __init__(self, mark: Any, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.mark, self.text, self.hint = mark, text, hint


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _Refusal(event.start_mark, f"the alias *{event.anchor} is not allowed", "write the value out")
        if self.depth >= MAX_DEPTH:
            raise _Refusal(event.start_mark, f"nested more than {MAX_DEPTH} levels deep")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Reader:
    def __init__(self, name: str, loader: _Loader) -> None:
        self.name, self.loader = name, loader
        self.values: dict[str, Place] = {}
        self.keys: dict[str, Place] = {}

    def read(self, node: yaml.Node | None) -> Source:
        data = None if node is None else self.value(node, "")
        return Source(data, self.values, self.keys)

    def value(self, node: yaml.Node, path: str) -> Any:
        self.values[path] = Place(node.start_mark.line + 1, node.start_mark.column + 1)
        if node.tag not in _PLAIN:
            raise _Refusal(node.start_mark, f"the tag {node.tag} is not allowed")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, child(path, number)) for number, item in enumerate(node.value)]
        if node.tag.endswith(":timestamp"):
            return node.value
        try:
            return self.loader.construct_object(node)
        except ValueError as error:
            raise _Refusal(node.start_mark, f"not a value that can be read: {error}") from error

    def mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise _Refusal(key_node.start_mark, "merge keys (<<) are not allowed", "write the values out")
            if not isinstance(key_node, yaml.ScalarNode):
                raise _Refusal(key_node.start_mark, "a key must be text")
            key = str(key_node.value)
            here = child(path, key)
            place = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in result:
                first = self.keys[here].line
                raise _Refusal(key_node.start_mark, f"the key {here} stands twice, first in line {first}")
            self.keys[here] = place
            result[key] = self.value(value_node, here)
        return result
