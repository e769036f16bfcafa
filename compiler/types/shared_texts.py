"""Texts that several members of a union share, and the member that each is read as: notes for `explain` and the checker.

pydantic decides which member a shared text belongs to, and a value of another member does not come back from it. That is no
mistake of the type, only worth knowing. The search is for the shortest text of each two members, and bounded for all
unions of a type together, since a note is worth no wait. Members that differ by the kind of JSON value, by choices or by a
required key are not searched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from typefold.compiler.codec import JsonSchema
from typefold.compiler.context import UnionMembers
from typefold.compiler.grammar.matcher import Search, Undecided
from typefold.compiler.guards import class_of
from typefold.compiler.types.unions import ANY_KIND, JSON_KINDS

_MOST_PAIRS = 2_000  # of members that are compared, and of states that their searches go through
_MOST_TEXTS, _MOST_NAMES = 12, 4


def shared_texts(unions: Sequence[UnionMembers]) -> tuple[str, ...]:
    """The texts that members of unions share, each as `path: "text" is A and B, and is read as A`."""
    found: dict[str, None] = {}
    left = pairs = _MOST_PAIRS
    for union in unions:
        search, definitions = Search(union.rules, left), union.definitions
        sharing: dict[str, set[int]] = {}
        for one, other in combinations(range(len(union.codecs)), 2):
            pairs -= 1
            if pairs < 0 or len(found) >= _MOST_TEXTS:
                break
            first, second = union.codecs[one], union.codecs[other]
            if (first.plain and second.plain) or _differ(first.schema, second.schema, definitions):
                continue
            try:
                text = search.shared_text(first.expr, second.expr)
            except Undecided:
                continue
            if text is not None:
                sharing.setdefault(text, set()).update((one, other))
        left = search.left
        found.update(dict.fromkeys(_described(union, sharing)))
    return tuple(found)


def _described(union: UnionMembers, sharing: Mapping[str, set[int]]) -> Iterator[str]:
    for text, found in sharing.items():
        indices, data = sorted(found), json.loads(text)
        names = [union.names[index] for index in indices]
        if len(names) > _MOST_NAMES:
            names[_MOST_NAMES - 1 :] = [f"{len(names) - _MOST_NAMES + 1} others"]
        yield f"{union.path}: {text} is {', '.join(names[:-1])} and {names[-1]}, and is read as {_reader(union, indices, data)}"


def _reader(union: UnionMembers, indices: Sequence[int], data: Any) -> str:
    """The name of the member that reads a text: one that, alone, makes the same value of it."""
    try:
        value = union.read(data)
    except Exception:  # a validator's own, on a text that nobody has written
        return "the first of them whose checks it passes"
    for index in indices:
        try:
            alone = union.codecs[index].from_json(data)
        except Exception:  # as above
            continue
        if class_of(alone) is class_of(value) and alone == value:
            return union.names[index]
    return class_of(value).__name__


def _differ(one: JsonSchema, other: JsonSchema, definitions: Mapping[str, JsonSchema], depth: int = 8) -> bool:
    """Whether two schemas exclude a shared text: by the name, by the kind, by the choices, or by a key of an object."""
    if "x-tag" in one or "x-tag" in other:
        return one.get("x-tag") != other.get("x-tag")
    first, second = _resolved(one, definitions), _resolved(other, definitions)
    if not depth:
        return False
    for schema, rest in ((first, second), (second, first)):
        if "anyOf" in schema:
            return all(_differ(option, rest, definitions, depth - 1) for option in schema["anyOf"])
    kinds, other_kinds = _kinds(first), _kinds(second)
    if not kinds & other_kinds and not kinds | other_kinds >= {"integer", "number"}:
        return True
    if "enum" in first and "enum" in second:
        return {json.dumps(value) for value in first["enum"]}.isdisjoint(map(json.dumps, second["enum"]))
    if "x-positions" in first or "x-positions" in second or not (_is_closed(first) and _is_closed(second)):
        return False
    return any(
        key not in there["properties"]
        or _differ(here["properties"][key], there["properties"][key], definitions, depth - 1)
        for here, there in ((first, second), (second, first))
        for key in here["required"]
        if key not in there["properties"] or key in there["required"]
    )


def _is_closed(schema: JsonSchema) -> bool:
    """Whether it is an object with these keys and no others."""
    return "properties" in schema and schema.get("additionalProperties") is False


def _resolved(schema: JsonSchema, definitions: Mapping[str, JsonSchema]) -> JsonSchema:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _kinds(schema: JsonSchema) -> frozenset[str]:
    if "x-positions" in schema:
        return frozenset({"array"})
    if "enum" in schema:
        return frozenset(JSON_KINDS.get(class_of(value), "string") for value in schema["enum"])
    return frozenset({schema["type"]}) if "type" in schema else ANY_KIND
