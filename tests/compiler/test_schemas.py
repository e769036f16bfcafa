"""A JSON schema is the type that it describes: the same limits, the same checks, and values that are its JSON data."""

# Hooks made at run time, which pyright does not follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from typefold.compiler import (
    OutputType,
    Registry,
    SchemaError,
    UnsupportedType,
    default_registry,
    output_type,
    schema_codec,
    type_of_schema,
)
from typefold.testing.laws import check_laws

PLACE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Place",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20, "description": "as on maps"},
        "code": {"type": "string", "pattern": "^[A-Z]{2}$"},
        "height": {"type": "number", "minimum": -500, "exclusiveMaximum": 9000.5},
        "people": {"type": ["integer", "null"], "minimum": 0},
        "kind": {"enum": ["town", "village", None]},
        "near": {"type": "array", "items": {"$ref": "#/$defs/near"}, "maxItems": 2},
        "spot": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "integer"}],
            "items": False,
            "minItems": 2,
        },
        "notes": {"type": "object", "additionalProperties": {"anyOf": [{"type": "boolean"}, {"const": "unknown"}]}},
        "more": {},
    },
    "required": ["name", "near"],
    "additionalProperties": False,
    "$defs": {
        "near": {
            "type": "object",
            "properties": {"of": {"type": "string", "maxLength": 5}, "then": {"$ref": "#/$defs/near"}},
            "required": ["of"],
        }
    },
}
WHOLE = {
    "name": "Oslo",
    "code": "NO",
    "height": 23.5,
    "people": None,
    "kind": "town",
    "near": [{"of": "Moss", "then": {"of": "Ski"}}],
    "spot": (59, 10),
    "notes": {"wet": True, "old": "unknown"},
    "more": {"any": [1, "thing"]},
}


@pytest.mark.parametrize(
    "value", [WHOLE, {"name": "Ås", "near": []}, WHOLE | {"height": 9000, "people": 5, "kind": None}]
)
def test_both_laws_hold_for_a_schema(value: Any) -> None:
    kind: OutputType[Any] = output_type(type_of_schema(PLACE))
    counts = check_laws(kind, [value], samples=60, misses=30, every=True)
    assert counts.values == 1


def test_limits_are_enforced_and_checks_named_as_those_of_annotations_are() -> None:
    said = output_type(type_of_schema(PLACE)).explain()
    for limit in (
        "['name']: max_length=20",
        "['code']: pattern='^[A-Z]{2}$'",
        "['near']: max_length=2",
        "|Annotated[int, ge=0]: ge=0",
    ):
        assert any(limit in note for note in said.enforced), limit
    assert "return['near']: max_length=2" in said.enforced
    assert said.shape is not None and "(as on maps)" in said.shape


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "number", "minimum": 0.5}, "0.25"),
        ({"type": "number", "minimum": 0.5}, "0"),
        ({"type": "number", "exclusiveMinimum": 0.5, "maximum": 2.5}, "3"),
        ({"type": "number", "exclusiveMaximum": 2.5}, "2.5"),
        ({"type": "integer", "multipleOf": 1, "exclusiveMinimum": 3}, "3"),
        ({"type": "string", "pattern": "^a+$", "maxLength": 3}, "aaaa"),
        ({"type": "object", "properties": {"a": {"type": "null"}}}, '{"b": null}'),
        ({"type": "object", "additionalProperties": False}, '{"a": 1}'),
        ({"const": 3}, "4"),
    ],
)
def test_what_a_schema_forbids_is_not_admitted(schema: dict[str, Any], text: str, admits: Any) -> None:
    assert not admits(type_of_schema(schema), text)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "number", "minimum": 0.5}, "1"),
        ({"type": "number", "exclusiveMinimum": 0.5, "maximum": 2.5}, "2"),
        ({"type": "number", "exclusiveMaximum": 2.5}, "2"),
        ({"type": "number", "minimum": 1}, "1.0"),
        ({"type": "number", "multipleOf": 0.5}, "1.5"),
        ({"type": ["string", "null"], "maxLength": 3}, "null"),
        ({"type": "object", "additionalProperties": False}, "{}"),
        (True, "[1]"),
        ({"oneOf": [{"type": "boolean"}, {"type": "null"}]}, "true"),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "boolean"}}}, "true"),
    ],
)
def test_what_a_schema_allows_is_admitted(schema: Any, text: str, admits: Any) -> None:
    assert admits(type_of_schema(schema), text)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "array", "uniqueItems": True}, "# has uniqueItems, which can neither be enforced nor checked"),
        ({"type": "string", "minimum": 3}, "# has minimum, which"),
        ({"allOf": [{"type": "string"}]}, "# has allOf, which"),
        ({"type": "object", "patternProperties": {}}, "# has patternProperties, which"),
        ({"type": "object", "properties": {"a": {"not": {}}}}, "#/properties/a has not, which"),
        ({"type": "object", "properties": {}, "minProperties": 1}, "objects are closed here"),
        ({"type": "object", "properties": {}, "required": ["a"]}, "# requires 'a', which no properties describe"),
        ({"type": "object", "required": ["a"]}, "# requires keys that no properties describe"),
        ({"type": "array", "prefixItems": [{}]}, "add items: false and minItems"),
        ({"type": "text"}, "# has the type 'text', which JSON does not have"),
        ({"enum": [1.5]}, "# has the member 1.5"),
        ({"enum": []}, "# has no members"),
        (False, "# is False, which no value meets"),
        ({"$ref": "other.json"}, "# refers to 'other.json', which is not in the schema"),
        ({"items": {"type": "string"}, "minItems": 2}, "# has items, which"),
    ],
)
def test_a_keyword_that_no_type_has_is_refused_by_its_place(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        type_of_schema(schema)
    assert message in str(caught.value)


def test_every_keyword_is_read_or_says_nothing_that_must_hold() -> None:
    read = {word for words in _KEYWORDS.values() for word in words}
    assert not read & _NOTES
    for kind, words in _KEYWORDS.items():
        for word in sorted(read - words):
            with pytest.raises(SchemaError, match=f"has {word}, which can neither"):
                type_of_schema({"type": kind, word: 1})


class Rgb:
    def __init__(self, parts: list[int]) -> None:
        self.parts = parts


def test_a_hook_may_be_made_of_a_schema_alone() -> None:
    mine = Registry(parent=default_registry)

    def register(schema: Any) -> None:
        @mine.hook(Rgb)
        def rgb_codec(hint: Any, context: Any) -> Any:
            return replace(
                schema_codec(schema, context, name="Rgb"),
                to_json=lambda colour: colour.parts,
                from_json=Rgb,
                accepts=lambda value: isinstance(value, Rgb),
                native=False,
                plain=False,
            )

    channel = {"type": "integer", "minimum": 0, "maximum": 255}
    register({"type": "array", "items": channel, "minItems": 3, "maxItems": 3})
    kind = output_type(list[Rgb], registry=mine)
    assert kind.encode([Rgb([255, 0, 17])]) == "[[255, 0, 17]]"
    assert kind.decode("[[255, 0, 17]]")[0].parts == [255, 0, 17]
    register({"type": "array", "contains": channel})
    with pytest.raises(UnsupportedType, match=r"return\[\]: .* can't be enforced: # has contains"):
        output_type(list[Rgb], registry=mine)
