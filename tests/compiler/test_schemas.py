"""A JSON schema is the type that it describes: the same limits, the same checks, and values that are its JSON data."""

# Hooks made at run time, which pyright does not follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
import json
import random
import sys
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from typefold.compiler import (
    DecodeError,
    OutputType,
    Registry,
    SchemaError,
    UnsupportedType,
    default_registry,
    output_type,
    schema_codec,
    type_of_schema,
)
from typefold.compiler.grammar.nodes import EMPTY, Language
from typefold.compiler.grammar.sampler import sampler
from typefold.compiler.types.json_schemas.schema_parts import Document
from typefold.testing.laws import Recogniser, check_laws, failed_checks

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
    "spot": [59, 10],
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
        ({"$dynamicRef": "#a"}, "# has $dynamicRef, which can neither be enforced nor checked"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "#/properties/a has the type 'text', which JSON"),
        ({"enum": "abc"}, "# has enum='abc', which is no list"),
        (False, "# is met by no value"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "# is met by no value"),
        ({"$ref": "other.json"}, "# refers to 'other.json', which is not in the schema"),
        ({"$ref": "#/$defs/a/b", "$defs": {"a": {}}}, "# refers to '#/$defs/a/b', which is not in the schema"),
        ({"$ref": "#"}, "# refers to itself and says nothing else"),
        ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "# refers to itself and says nothing else"),
        ({"type": "string", "pattern": "("}, "# has the pattern '(', which is no regular expression"),
        ({"type": "object", "required": True}, "# has required=True, which is no list of keys"),
        ({"items": 3}, "#/items is 3, which is no schema"),
        ({"type": "number", "minimum": "3"}, "# has minimum='3', which is no number"),
        ({"type": "integer", "multipleOf": 0}, "# has multipleOf=0, which no value meets"),
        (
            {"allOf": [{"anyOf": [{"required": [f"{i}{j}"]} for j in range(7)]} for i in range(4)]},
            "#/allOf/2 has more than 256 combinations of its alternatives",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        type_of_schema(schema)
    assert message in str(caught.value)


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
    register({"$dynamicRef": "#channel"})
    with pytest.raises(UnsupportedType, match=r"return\[\]: .* can't be enforced: # has \$dynamicRef"):
        output_type(list[Rgb], registry=mine)


GIFT: dict[str, Any] = {"type": "object", "properties": {"to": {"type": "string"}, "price": {"type": "integer"}}}
KEYWORDS: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "allOf": (
        {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 9}], "minimum": 1},
        [3, 9],
        [1, 10, "3"],
    ),
    "allOf of objects": (
        {"allOf": [GIFT, {"properties": {"note": {"type": "null"}}, "required": ["to"]}]},
        [{"to": "Eva"}, {"to": "Eva", "price": 3, "note": None}],
        [{"price": 3}, {"to": 3}, {"to": "Eva", "note": "x"}],
    ),
    "anyOf beside properties": (
        {**GIFT, "anyOf": [{"required": ["to"]}, {"required": ["price"]}]},
        [{"to": "Eva"}, {"price": 1}, {"to": "Eva", "price": 1}],
        [{}, {"to": 1}],
    ),
    "anyOf, members share texts": ({"anyOf": [{"type": "number"}, {"type": "integer"}, {}]}, [1, 1.5, "x", [None]], []),
    "oneOf": ({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}], "type": "integer"}, [2, 3, 4, 9], [1, 6, 12]),
    "oneOf, told apart": (
        {"oneOf": [{"properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in "ab"], "type": "object"},
        [{"kind": "a"}, {"kind": "b"}],
        [{"kind": "c"}, {}],
    ),
    "not": ({"type": "string", "not": {"pattern": "^x"}}, ["y", ""], ["x", "xy", 3]),
    "not a type": ({"not": {"type": ["object", "array", "number"]}}, ["y", None, True], [{}, [], 1, 1.5]),
    "not a key": ({**GIFT, "not": {"required": ["price"]}}, [{"to": "Eva"}, {}], [{"price": 1}]),
    "if": (
        {**GIFT, "if": {"required": ["price"]}, "then": {"required": ["to"]}, "else": {"required": ["none"]}},
        [{"to": "Eva", "price": 1}, {"none": 1}],
        [{"price": 1}, {"to": "Eva"}],
    ),
    "dependentRequired": (
        {**GIFT, "dependentRequired": {"price": ["to"]}},
        [{}, {"to": "a", "price": 1}],
        [{"price": 1}],
    ),
    "dependentSchemas": (
        {**GIFT, "dependentSchemas": {"price": {"properties": {"coin": {"enum": ["EUR"]}}, "required": ["coin"]}}},
        [{}, {"to": "a", "price": 1, "coin": "EUR"}],
        [{"price": 1}, {"price": 1, "coin": "GBP"}],
    ),
    "dependencies": (
        {"$schema": "http://json-schema.org/draft-07/schema#", **GIFT, "dependencies": {"price": ["to"]}},
        [{"to": "a"}],
        [{"price": 1}],
    ),
    "many dependencies": (
        {
            "type": "object",
            "properties": {key: {"type": "boolean"} for key in "abcdef"},
            "dependentRequired": {key: ["f"] for key in "abcde"},
        },
        [{"a": True, "f": True}, {"f": False}],
        [{"a": True}],
    ),
    "required of no properties": ({"type": "object", "required": ["a"]}, [{"a": 1}, {"a": [], "b": 2}], [{}, {"b": 1}]),
    "additionalProperties": (
        {**GIFT, "additionalProperties": {"type": "boolean"}},
        [{"to": "Eva", "wrapped": True}, {"toy": False}, {}],
        [{"to": True}, {"wrapped": 1}],
    ),
    "patternProperties": (
        {"type": "object", "properties": {"x-a": {"maximum": 5}}, "patternProperties": {"^x-": {"type": "integer"}}},
        [{"x-a": 5, "x-b": 6}, {}],
        [{"x-a": 6}, {"x-a": "y"}, {"x-b": "y"}, {"y": 1}],
    ),
    "patterns that overlap": (
        {"type": "object", "patternProperties": {"a": {"minimum": 3}, "b": {"type": "integer"}}},
        [{"ab": 3, "b": 1, "a": 3.5}],
        [{"ab": 1}, {"ab": 3.5}],
    ),
    "patterns of several schemas": (
        {
            "type": "object",
            "allOf": [{"patternProperties": {part: True}, "additionalProperties": False} for part in ("a", "b")],
        },
        [{"ab": 1}, {}],
        [{"a": 1}, {"b": 1}, {"c": 1}],
    ),
    "propertyNames": (
        {"type": "object", "propertyNames": {"pattern": "^[a-c]$"}, "additionalProperties": {"type": "null"}},
        [{"a": None, "c": None}],
        [{"d": None}, {"a": 1}],
    ),
    "minProperties": ({**GIFT, "minProperties": 1, "maxProperties": 1}, [{"to": "a"}], [{}, {"to": "a", "price": 1}]),
    "minProperties of any": (
        {"type": "object", "minProperties": 2, "maxProperties": 3},
        [{"a": 1, "b": 1}],
        [{}, {"a": 1}],
    ),
    "prefixItems": (
        {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": {"type": "null"},
            "minItems": 1,
        },
        [[1], [1, "a"], [1, "a", None, None]],
        [[], ["a"], [1, 1], [1, "a", 3]],
    ),
    "items of draft 7": (
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "array",
            "items": [{"type": "integer"}, {"type": "string"}],
            "additionalItems": False,
        },
        [[], [1], [1, "a"]],
        [["a"], [1, "a", 1]],
    ),
    "items that no value meets": ({"type": "array", "items": False}, [[]], [[1]]),
    "uniqueItems": ({"type": "array", "uniqueItems": True, "items": {"type": "integer"}}, [[1, 2]], [[1, 1], [1, 1.0]]),
    "contains": ({"type": "array", "contains": {"const": 3}, "maxContains": 1}, [[1, 3], [3]], [[], [1], [3, 3]]),
    "enum of anything": (
        {"enum": [1.5, {"a": [1, None]}, [True], "x", 2]},
        [1.5, {"a": [1, None]}, [True], "x", 2],
        [1, [1], "y"],
    ),
    "enum beside others": ({"enum": [1, 2, 3, "4"], "type": "integer", "minimum": 2}, [2, 3], [1, "4"]),
    "const": ({"const": {"b": 1, "a": 2}}, [{"b": 1, "a": 2}], [{"b": 1}, {"b": 1, "a": 3}]),
    "exclusive bounds of draft 4": (
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "minimum": 3,
            "exclusiveMinimum": True,
            "type": "integer",
        },
        [4],
        [3],
    ),
    "exclusive bounds without $schema": (
        {"minimum": 3, "exclusiveMinimum": True, "type": "number"},
        [4, 3.5],
        [3, 3.0],
    ),
    "words of a later draft": (
        {"$schema": "http://json-schema.org/draft-04/schema#", "type": "string", "const": "x"},
        ["x", "y"],
        [1],
    ),
    "$ref and its neighbours": (
        {"$ref": "#/$defs/small", "minimum": 3, "$defs": {"small": {"type": "integer", "maximum": 9}}},
        [3, 9],
        [2, 10],
    ),
    "$ref and its neighbours in draft 7": (
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": {"a": {"$ref": "#/definitions/small", "minimum": 3}},
            "definitions": {"small": {"type": "integer", "maximum": 9}},
        },
        [{"a": 1}],
        [{"a": 10}],
    ),
    "$anchor and $id": (
        {
            "$id": "https://example.org/tree",
            "type": "object",
            "properties": {"left": {"$ref": "#leaf"}, "right": {"$ref": "leaves/big"}, "up": {"$ref": "tree"}},
            "$defs": {
                "a": {"$anchor": "leaf", "type": "boolean"},
                "b": {"$id": "leaves/big", "$ref": "#/$defs/c", "$defs": {"c": {"type": "null"}}},
            },
        },
        [{"left": True, "right": None, "up": {"left": False}}],
        [{"left": 1}, {"right": True}, {"up": {"right": 1}}],
    ),
    "pointers with escapes": (
        {"type": "array", "items": {"$ref": "#/$defs/a~1b%25"}, "$defs": {"a/b%": {"type": "boolean"}}},
        [[True]],
        [[1]],
    ),
    "definitions in a circle": (
        {
            "$ref": "#/$defs/even",
            "$defs": {
                "even": {"type": "array", "items": {"$ref": "#/$defs/odd"}, "maxItems": 2},
                "odd": {"type": "object", "properties": {"in": {"$ref": "#/$defs/even"}}, "required": ["in"]},
            },
        },
        [[], [{"in": []}, {"in": [{"in": []}]}]],
        [[{}], [{"in": 1}]],
    ),
    "integer is a whole number": ({"type": "integer"}, [10**20, -3], [1.5, True, "1"]),
    "multipleOf": ({"type": "number", "multipleOf": 0.5}, [1, 1.5, -2.0], [0.25, 0.7]),
    "multiples that hold together": (
        {
            "type": "number",
            "minimum": 1,
            "allOf": [{"anyOf": [{"multipleOf": 5}, {"multipleOf": 7}]}, {"multipleOf": 2}],
        },
        [10, 14, 20.0],
        [5, 7, 2],
    ),
    "two patterns": ({"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b$"}]}, ["ab"], ["a", "b", "ba"]),
    "a pattern of ECMA": (
        {"type": "string", "pattern": r"^\d+\/[^\s\W]\cJ?\u0041$"},
        ["1/aA", "12/a\nA"],
        ["1/ A", "/aA"],
    ),
    "lookahead": ({"type": "string", "pattern": "^(?!no)[a-z]+$"}, ["yes"], ["nono", "Y"]),
    "words that are annotations": (
        {"type": "string", "x-order": 3, "nullable": True, "format": "postcode"},
        ["a"],
        [None],
    ),
    "any and none": ({"properties": {"a": True, "b": False}, "type": "object"}, [{"a": [1]}, {}], [{"b": 1}]),
}
FORMATS: dict[str, tuple[list[str], list[str]]] = {
    "date": (["2024-02-29", "0004-12-31"], ["2023-02-29", "2024-13-01", "24-01-01", "0000-01-01"]),
    "time": (["23:59:59Z", "01:02:03.5+01:00"], ["24:00:00Z", "01:02:03", "1:2:3Z"]),
    "date-time": (["2024-02-29T23:59:59.25-08:00"], ["2024-02-29", "2024-02-29T10:00:00", "2024-02-30T10:00:00Z"]),
    "duration": (["P1DT12H", "P2W", "PT5M30S"], ["P", "PT", "1D", "P1H"]),
    "email": (["ada@example.org", "a.b+c@x.y.example"], ["ada", "ada@", "@example.org", "a..b@example.org"]),
    "hostname": (["example.org", "a-b.c"], ["-a.b", "a_b", "a..b", ""]),
    "ipv4": (["192.0.2.1", "0.0.0.0"], ["256.1.1.1", "1.2.3", "01.2.3.4"]),
    "ipv6": (["2001:DB8::1", "::", "::ffff:192.0.2.1"], ["1::2::3", "12345::", "1:2:3"]),
    "uri": (["https://example.org/a?b=c#d", "urn:isbn:1", "mailto:a@b"], ["example.org", "/a", "http://a b", "://a"]),
    "uri-reference": (["/a/b", "a", "#x", "http://a"], ["a b", "://a", "%zz"]),
    "iri": (["https://example.org/ä"], ["ä", "https://a b"]),
    "uri-template": (["", "x%20{+path}", "http://a.org/~{user}/{?q*,lang:3}"], ["http://a.org/{", "a b", "{a,}", "%x"]),
    "uuid": (["123E4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000", "x"]),
    "json-pointer": (["", "/a~1b/0"], ["a", "/~2"]),
    "regex": (["^a+$"], ["(", "*"]),
}


@pytest.mark.parametrize("name", KEYWORDS)
def test_a_schema_admits_its_values_and_refuses_others(name: str) -> None:
    schema, values, others = KEYWORDS[name]
    kind: OutputType[Any] = output_type(type_of_schema(schema))
    check_laws(kind, values, samples=40, misses=10)
    for other in others:
        if kind.is_bare and not isinstance(other, str):
            continue  # any text is a string there
        text = other if kind.is_bare else json.dumps(other, ensure_ascii=False)
        with pytest.raises(DecodeError) as caught:
            kind.decode(text)
        assert caught.value.check in kind.post_checks or not Recogniser.of(kind.constraint).admits(text), text


@pytest.mark.parametrize("name", KEYWORDS)
def test_what_a_grammar_admits_is_valid_by_jsonschema(name: str) -> None:
    schema = KEYWORDS[name][0]
    kind: OutputType[Any] = output_type(type_of_schema(schema))
    document = Document(schema)
    draw = sampler(kind.constraint.language or Language(EMPTY), random.Random(3))
    for text in (draw() for _ in range(60)):
        try:
            kind.decode(text)
        except DecodeError as error:
            assert failed_checks(kind, error), text
        else:
            assert document.is_valid(document.root, text if kind.is_bare else json.loads(text)), text


@pytest.mark.parametrize("name", FORMATS)
def test_the_formats_of_the_standard_are_asserted(name: str) -> None:
    kind: OutputType[Any] = output_type(type_of_schema({"items": {"type": "string", "format": name}, "type": "array"}))
    values, others = FORMATS[name]
    check_laws(kind, [values], samples=20, misses=10)
    for other in others:
        with pytest.raises(DecodeError):
            kind.decode(json.dumps([other]))
        assert name == "regex" or not Recogniser.of(kind.constraint).admits(json.dumps([other])), other


def test_a_check_after_decoding_is_named_where_it_stands() -> None:
    schema = {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "uniqueItems": True, "items": {"type": "string"}},
            "sizes": {"type": "array", "uniqueItems": True, "items": {"type": "integer", "multipleOf": 5}},
        },
    }
    kind = output_type(type_of_schema(schema))
    assert "return['sizes'][]: multiple_of=5" in kind.post_checks
    for value, check in (
        ({"tags": ["a", "a"]}, "return['tags']: uniqueItems"),
        ({"sizes": [5, 5]}, "return['sizes']: uniqueItems"),
        ({"sizes": [5, 7]}, "return['sizes'][]: multiple_of=5"),
    ):
        with pytest.raises(DecodeError) as caught:
            kind.decode(json.dumps(value))
        assert caught.value.check == check


def test_a_value_is_written_in_the_order_of_the_schema() -> None:
    kind = output_type(type_of_schema({**GIFT, "additionalProperties": {"type": "null"}}))
    assert kind.encode({"z": None, "price": 3.0, "to": "Eva"}) == '{"to": "Eva", "price": 3, "z": null}'
    assert kind.decode('{"price": 3, "to": "Eva"}') == {"to": "Eva", "price": 3}


def test_a_schema_is_a_part_of_other_types() -> None:
    class Order(BaseModel):
        gifts: list[type_of_schema(GIFT)]  # type: ignore[valid-type]  # made at run time
        paid: bool

    kind: OutputType[Any] = output_type(Order)
    check_laws(kind, [Order(gifts=[{"to": "Eva"}], paid=True)], samples=20)
    with pytest.raises(ValueError, match="type"):
        Order(gifts=[{"to": 3}], paid=True)


def test_without_the_package_a_schema_is_refused_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(SchemaError, match=r"needs the package jsonschema; install typefold\[schemas\]"):
        type_of_schema({"type": "string"})


def test_an_id_of_a_scheme_that_urls_do_not_know_is_a_base_like_others() -> None:
    schema = {
        "$id": "classpath:///forms/entry.json#",
        "type": "object",
        "properties": {"host": {"oneOf": [{"pattern": "^a"}, {"maxLength": 3}], "type": "string"}},
        "required": ["host"],
    }
    kind = output_type(type_of_schema(schema))
    assert kind.decode('{"host": "abcd"}') == {"host": "abcd"}
    with pytest.raises(DecodeError, match="oneOf"):
        kind.decode('{"host": "abc"}')


@pytest.mark.parametrize(
    "schema", [5, None, "x", [], {"type": 5}, {"anyOf": 5}, {"$schema": 5}, {"properties": {"a": {"oneOf": {"b": 1}}}}]
)
def test_data_that_is_no_schema_is_refused_by_name(schema: Any) -> None:
    with pytest.raises(SchemaError, match=r"no schema|no list"):
        output_type(type_of_schema(schema))
