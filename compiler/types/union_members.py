"""Questions about a union's members that their JSON schemas answer: the kinds of their values, and if two can be confused.

A schema is small where texts are without end, so it is asked first; a search through the texts (`unions`) settles the rest.
A type that is still being compiled has no schema yet: `unions` asks again when all are known.
"""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.guards import class_of

_SCALARS = frozenset({"null", "boolean", "integer", "number", "string"})
_KINDS = _SCALARS | {"array", "object"}
_JSON_KINDS: dict[type, str] = {bool: "boolean", int: "integer", float: "number", type(None): "null"}


def differ(
    one: JsonSchema, other: JsonSchema, definitions: dict[str, JsonSchema], depth: int = 8, *, positional: bool
) -> bool:
    """Whether two schemas exclude a shared text: by the kind, by the choices, or by a key of an object.

    The search through texts would find the same, but goes from left to right: a tag behind a field that may hold
    anything lies beyond its limit.
    """
    if "x-tag" in one and "x-tag" in other:
        return bool(one["x-tag"] != other["x-tag"])
    first, second = _resolved(one, definitions), _resolved(other, definitions)
    if first is None or second is None or not depth:
        return False
    if positional:
        first, second = _as_written(one, first), _as_written(other, second)
    for schema, rest in ((first, second), (second, first)):
        if "anyOf" in schema:
            return all(
                differ(option, rest, definitions, depth - 1, positional=positional) for option in schema["anyOf"]
            )
    kinds, other_kinds = (_kinds(schema, definitions) for schema in (first, second))
    if not kinds & other_kinds and not kinds | other_kinds >= {"integer", "number"}:  # a Decimal may look like an int
        return True
    if "enum" in first and "enum" in second:
        return {json.dumps(value) for value in first["enum"]}.isdisjoint(map(json.dumps, second["enum"]))
    if not (_is_closed(first) and _is_closed(second)):
        return False
    return any(
        key not in there["properties"]
        or differ(here["properties"][key], there["properties"][key], definitions, depth - 1, positional=positional)
        for here, there in ((first, second), (second, first))
        for key in here["required"]
        if key not in there["properties"] or key in there["required"]
    )


def same_to_pydantic(codecs: list[Codec[Any]], definitions: dict[str, JsonSchema]) -> bool:
    """Whether pydantic picks the member that wrote the text, for each two members, as far as is known by now."""
    return all(_pair_is_same(one, other, definitions) for one, other in combinations(codecs, 2))


def has_free_keys(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> bool:
    """Whether it is a dictionary."""
    found = _resolved(schema, definitions)
    return found is not None and found.get("type") == "object" and "properties" not in found and "x-tag" not in schema


def is_object(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> bool:
    """Whether it is an object with fields, as far as is known by now."""
    found = _resolved(schema, definitions)
    return found is not None and "properties" in found


def stands_for_object(schema: JsonSchema, definitions: dict[str, JsonSchema], with_fields: set[str]) -> bool:
    """Whether it is an array of fields, or will be."""
    found = _resolved(schema, definitions)
    if found is None:
        return schema["$ref"].removeprefix("#/$defs/") in with_fields
    return "x-positions" in found


def kinds_written(schema: JsonSchema, definitions: dict[str, JsonSchema], with_fields: set[str]) -> frozenset[str]:
    """The kinds of JSON values that the compact format writes for a schema."""
    if "x-tag" in schema:
        return frozenset({"object"})
    found = _resolved(schema, definitions)
    if found is None:
        return frozenset({"array"}) if schema["$ref"].removeprefix("#/$defs/") in with_fields else _KINDS
    if "x-positions" in found:
        return frozenset({"array"})
    if "anyOf" in found:
        return frozenset[str]().union(*(kinds_written(each, definitions, with_fields) for each in found["anyOf"]))
    return _kinds(found, definitions)


def _as_written(schema: JsonSchema, resolved: JsonSchema) -> JsonSchema:
    """The schema of the text in the compact format; keys in a schema are those of the form that pydantic reads."""
    if "x-tag" in schema:
        return {"type": "object"}
    return {"type": "array"} if "x-positions" in resolved else resolved


def _is_closed(schema: JsonSchema) -> bool:
    """Whether it is an object with these keys and no others."""
    return "properties" in schema and schema.get("additionalProperties") is False


def _pair_is_same(one: Codec[Any], other: Codec[Any], definitions: dict[str, JsonSchema]) -> bool:
    """Pydantic reads an Enum or a Literal of 1 from `1.0` and from `true`, and an object of which it ignores keys."""
    first, second = _resolved(one.schema, definitions), _resolved(other.schema, definitions)
    if first is None or second is None:
        return True  # a type inside itself: asked again when it is known
    kinds, other_kinds = _kinds(first, definitions), _kinds(second, definitions)
    shared = kinds & other_kinds
    if frozenset({"null"}) in (kinds, other_kinds):
        return not shared
    if _is_exact(one, first) and _is_exact(other, second) and kinds | other_kinds <= _SCALARS:
        return True
    if kinds == other_kinds == frozenset({"object"}):
        return _have_tags(first, second)
    return (
        not shared
        and (kinds <= _SCALARS) != (other_kinds <= _SCALARS)
        and not {"array", "object"} <= kinds | other_kinds
    )


def _resolved(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> JsonSchema | None:
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name not in definitions:
            return None
        schema = definitions[name]
    return schema


def _kinds(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> frozenset[str]:
    """The kinds of JSON values that a schema admits."""
    if "enum" in schema:
        return frozenset(_JSON_KINDS.get(class_of(value), "string") for value in schema["enum"])
    if "anyOf" in schema:
        options = [_resolved(option, definitions) for option in schema["anyOf"]]
        return frozenset[str]().union(
            *(_KINDS if option is None else _kinds(option, definitions) for option in options)
        )
    return frozenset({schema["type"]}) if "type" in schema else _KINDS


def _is_exact(codec: Codec[Any], schema: JsonSchema) -> bool:
    """Whether the values are scalars that pydantic prefers to any value that it would have to convert."""
    return codec.plain and ("enum" not in schema or schema.get("type") == "string")


def _have_tags(one: JsonSchema, other: JsonSchema) -> bool:
    """Whether a key is required in both objects, with choices that share no value."""
    return any(
        key in other.get("required", ())
        and "enum" in one["properties"][key]
        and "enum" in other["properties"][key]
        and all(isinstance(value, str) for each in (one, other) for value in each["properties"][key]["enum"])
        and not set(one["properties"][key]["enum"]) & set(other["properties"][key]["enum"])
        for key in one.get("required", ())
    )
