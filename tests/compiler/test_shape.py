"""The description of an answer's form for the model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, NewType

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType

from typefold.compiler import Grammar, JsonFormat, OneOf, output_type
from typefold.compiler.shape import shape_of

SPACED = JsonFormat.SPACED
Nested = TypeAliasType("Nested", "bool | list[Nested]")


class Mood(Enum):
    GRIM = "grim"
    FUNNY = "funny"


MoodAlias = TypeAliasType("MoodAlias", Mood)


class Place(BaseModel):
    city: str
    country: Annotated[str, Field(min_length=2, max_length=2)] = "no"


class Person(BaseModel):
    name: str = Field(description="first and\n  last")
    age: Annotated[int, Field(ge=0, le=120)]
    home: Place
    work: Place | None = None
    role: Literal["hero", "villain"] = Field("hero", description="what they do")


class Tree(BaseModel):
    label: str
    children: list[Tree] = []


class Husband(BaseModel):
    wife: Wife | None


class Wife(BaseModel):
    husband: Husband | None
    tree: Tree


@dataclass
class Both:
    one: Tree
    other: Tree


POSITIVE: Any = Annotated[int | float, Field(ge=0)]


@pytest.mark.parametrize(
    ("hint", "shape"),
    [
        (int, "integer"),
        (float, "number"),
        (bool, "boolean"),
        (Any, "any JSON value"),
        (date, "string (date)"),
        (int | None, "integer or null"),
        (int | float, "number"),
        (POSITIVE | None, "number >= 0 or null"),
        (Annotated[int, Field(ge=1)] | Annotated[float, Field(ge=0)], "integer >= 1 or number >= 0.0"),
        (bool | list[bool], "boolean or [boolean, ...]"),
        (Literal[1, "one", None], 'value (one of: 1, "one", null)'),
        (list[Literal["one", "two"]], "[string (one of: one, two), ...]"),
        (list[str], "[string, ...]"),
        (list[list[int]], "[[integer, ...], ...]"),
        (tuple[int, str], "[integer, string]"),
        (dict[str, float], "{string: number, ...}"),
        (list[Annotated[str, Field(pattern="^[a-z]+$")]], "[string matching ^[a-z]+$, ...]"),
        (Place, '{"city": string, "country": string (2 characters) (optional, default "no")}'),
    ],
)
def test_a_type_is_told_as_json_with_types_in_the_places_of_values(hint: Any, shape: str) -> None:
    assert output_type(hint).shape == shape


@pytest.mark.parametrize(
    ("hint", "shape"),
    [
        (Annotated[int, Field(ge=0)], "integer >= 0"),
        (Annotated[int, Field(lt=10)], "integer <= 9"),
        (Annotated[int, Field(ge=0, le=9, multiple_of=3)], "integer from 0 to 9 (a multiple of 3)"),
        (Annotated[float, Field(ge=0.5, le=1)], "number from 0.5 to 1.0"),
        (list[Annotated[str, Field(max_length=9)]], "[string (at most 9 characters), ...]"),
        (list[Annotated[str, Field(min_length=2)]], "[string (at least 2 characters), ...]"),
        (list[Annotated[str, Field(min_length=2, max_length=9)]], "[string (2 to 9 characters), ...]"),
        (Annotated[list[int], Field(min_length=2)], "[integer, ...] (at least 2 items)"),
        (Annotated[list[int], Field(max_length=2)], "[integer, ...] (at most 2 items)"),
        (Annotated[list[int], Field(min_length=1, max_length=2)], "[integer, ...] (1 to 2 items)"),
        (Annotated[list[int], Field(min_length=3, max_length=3)], "[integer, ...] (3 items)"),
    ],
)
def test_limits_are_told_behind_the_type(hint: Any, shape: str) -> None:
    assert output_type(hint).shape == shape


def test_objects_are_told_inside_objects_with_what_is_optional_and_what_it_means() -> None:
    assert output_type(Person).shape == (
        '{"name": string (first and last), "age": integer from 0 to 120, '
        '"home": place, "work": place or null (optional), '
        '"role": string (one of: hero, villain) (optional, default "hero") (what they do)}\n'
        'where\nplace: {"city": string, "country": string (2 characters) (optional, default "no")}'
    )


def test_a_type_inside_itself_is_named_and_told_once() -> None:
    body = '{"label": string, "children": [tree, ...] (optional, default [])}'
    assert output_type(Tree).shape == f"tree\nwhere\ntree: {body}"
    assert output_type(Both).shape == f'{{"one": tree, "other": tree}}\nwhere\ntree: {body}'


def test_types_inside_each_other_are_each_named_where_they_come_back() -> None:
    shape = output_type(Husband).shape
    assert shape is not None
    head, where, husband, tree = shape.split("\n")
    assert (head, where) == ("husband", "where")
    assert husband == 'husband: {"wife": {"husband": husband or null, "tree": tree} or null}'
    assert tree.startswith('tree: {"label": string')


def test_an_alias_inside_itself_is_named() -> None:
    assert output_type(Nested).shape == "nested\nwhere\nnested: boolean or [nested, ...]"


def test_the_shape_is_spaced_as_the_answer_is() -> None:
    assert (
        output_type(Place, json_format=JsonFormat.TIGHT).shape
        == '{"city":string,"country":string (2 characters) (optional, default "no")}'
    )
    assert output_type(tuple[int, str], json_format=JsonFormat.TIGHT).shape == "[integer,string]"


@pytest.mark.parametrize(
    ("hint", "shape"),
    [
        (Literal["keep", "drop"], "one of: keep, drop"),
        (Literal["a, b", "c"], 'one of: "a, b", "c"'),
        (Literal["keep"], "one of: keep"),
        (Mood, "one of: grim, funny"),
        (MoodAlias, "one of: grim, funny"),
        (Annotated[str, OneOf(["Oslo", "Rome"])], "one of: Oslo, Rome"),
        (Annotated[str, OneOf(map(str, range(500)))], "text (one of 500 names)"),
        (Annotated[str, Field(max_length=9)], "text (at most 9 characters)"),
        (Annotated[str, Field(pattern="^[a-z]+$")], "text matching ^[a-z]+$"),
    ],
)
def test_bare_text_is_told_as_a_choice_or_as_text_with_its_limits(hint: Any, shape: str) -> None:
    kind = output_type(hint)
    assert (kind.is_bare, kind.shape) == (True, shape)


@pytest.mark.parametrize("hint", [str, NewType("Name", str), Annotated[str, Grammar('root ::= "yes"')]])
def test_there_is_nothing_to_say_of_any_text(hint: Any) -> None:
    assert output_type(hint).shape is None


def test_texts_of_the_schema_are_told_as_they_are() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {'say "gr\u00fc\u00df"': {"enum": ["\u00e4", 1.5, True]}, "x": {"$ref": "#/$defs/N"}},
        "required": ["x"],
        "$defs": {"N": {"anyOf": [{"type": "null"}, {"type": "null"}, {"type": "array"}]}},
    }
    assert (
        shape_of(schema, SPACED)
        == '{"say \\"gr\u00fc\u00df\\"": value (one of: "\u00e4", 1.5, true) (optional), "x": null or [any JSON value, ...]}'
    )
