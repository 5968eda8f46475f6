"""Does plain data have the shape of a document? All mistakes, each with its path; msgspec stops at the first."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from kubefort.clusterrules import Problem
from kubefort.strictyaml import child

_WORDS: dict[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "a mapping (key: value)",
    list: "a list",
    type(None): "nothing",
}


def problems(data: Any, kind: type[msgspec.Struct]) -> list[Problem]:
    """What is wrong with `data` as a `kind`, in the order of the document."""
    return list(_walk(data, inspect.type_info(kind), ""))


def _wrong(data: Any, path: str, expected: str) -> Problem:
    found = _WORDS.get(type(data), type(data).__name__)
    if isinstance(data, bool):
        found = "true" if data else "false"
    elif isinstance(data, (int, float)):
        found = f"the number {data}"
    elif isinstance(data, str):
        found = f'the text "{data}"' if len(data) < 40 else "text"
    quote = '; put it in quotes: "..."' if expected == "text" and not isinstance(data, (dict, list, type(None))) else ""
    return Problem(path, f"expected {expected}, found {found}{quote}")


def _walk(data: Any, kind: inspect.Type, path: str) -> Iterator[Problem]:
    if isinstance(kind, inspect.StructType):
        yield from _struct(data, kind, path)
    elif isinstance(kind, inspect.DictType):
        if not isinstance(data, dict):
            yield _wrong(data, path, _WORDS[dict])
            return
        for key, value in data.items():
            yield from _walk(value, kind.value_type, child(path, key))
    elif isinstance(kind, (inspect.VarTupleType, inspect.ListType)):
        if not isinstance(data, list):
            yield _wrong(data, path, _WORDS[list])
            return
        for number, value in enumerate(data):
            yield from _walk(value, kind.item_type, child(path, number))
    elif isinstance(kind, inspect.UnionType):
        yield from _union(data, kind, path)
    elif isinstance(kind, inspect.LiteralType):
        if data not in kind.values or isinstance(data, bool):
            yield _wrong(data, path, "one of " + ", ".join(str(value) for value in kind.values))
    elif not isinstance(kind, inspect.AnyType):
        yield from _scalar(data, kind, path)


def _scalar(data: Any, kind: inspect.Type, path: str) -> Iterator[Problem]:
    accepted: tuple[type, type] | None = None
    if isinstance(kind, inspect.StrType):
        accepted = (str, str)
    elif isinstance(kind, inspect.BoolType):
        accepted = (bool, bool)
    elif isinstance(kind, inspect.IntType):
        accepted = (int, int)
    elif isinstance(kind, inspect.FloatType):
        accepted = (float, int)
    if accepted and (not isinstance(data, accepted) or (isinstance(data, bool) and accepted[0] is not bool)):
        yield _wrong(data, path, _WORDS[accepted[0]])


def _union(data: Any, kind: inspect.UnionType, path: str) -> Iterator[Problem]:
    if data is None and any(isinstance(each, inspect.NoneType) for each in kind.types):
        return
    others = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
    if len(others) == 1:
        yield from _walk(data, others[0], path)


def _struct(data: Any, kind: inspect.StructType, path: str) -> Iterator[Problem]:
    if not isinstance(data, dict):
        yield _wrong(data, path, _WORDS[dict])
        return
    fields = {field.encode_name: field for field in kind.fields}
    for key, value in data.items():
        field = fields.get(key)
        if field is None:
            near = difflib.get_close_matches(key, fields, 1, 0.6)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(fields)}"
            yield Problem(child(path, key), f"unknown key{hint}", at_key=True)
        else:
            yield from _walk(value, field.type, child(path, key))
    for name, field in fields.items():
        if field.required and name not in data:
            yield Problem(path, f"{name} is missing")
