"""The compact format: what each construct looks like, and that pydantic reads of it what it always reads."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false
# (dataclasses.replace tells the lambdas that it is given no types)
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import attrs
import msgspec
import pytest
from pydantic import BaseModel, BeforeValidator, Field, RootModel, model_validator
from typing_extensions import TypeAliasType, TypedDict

from typefold.compiler import (
    Codec,
    DecodeError,
    JsonFormat,
    Registry,
    UnsupportedType,
    default_registry,
    output_type,
    schema_codec,
)
from typefold.compiler.json_format import partial_json
from typefold.testing.laws import check_laws, failed_checks


class Character(BaseModel):
    """Somebody."""

    name: Annotated[str, Field(max_length=20, description="in full")]
    age: int
    role: Literal["hero", "villain"] = "hero"


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    radius: float


class Square(BaseModel):
    kind: Literal["square"] = "square"
    side: float


class Plain(BaseModel):
    radius: float


@dataclass
class Point:
    x: int
    y: int = 7
    label: str | None = "none given"


class Pair(NamedTuple):
    left: int
    right: int = 0


class Keys(TypedDict):
    a: int
    b: NotRequired[int]
    c: NotRequired[int | None]


class Loose(TypedDict):
    extra: NotRequired[Any]


@attrs.define
class Crate:
    weight: int
    parts: list[Pair] = attrs.Factory(list[Pair])


class Ping(msgspec.Struct, tag="ping"):
    seq: int


class Pong(msgspec.Struct, tag="pong"):
    seq: int


class Tree(BaseModel):
    value: int
    left: Tree | Leaf | None = None


class Leaf(BaseModel):
    text: str


class Flag(Enum):
    ON = "on"


class Fixed(BaseModel):
    flag: Flag
    nothing: None
    size: int


class Several(RootModel[list[Plain]]):
    pass


Shape = TypeAliasType("Shape", Circle | Square)

LOOKS: dict[str, tuple[Any, Any, str, str]] = {
    "a model": (
        Character,
        Character(name="Ada", age=36),
        '["Ada", 36, "hero"]',
        "[name: string (at most 20 characters) (in full), age: integer, role: string (one of: hero, villain) or null "
        '(default "hero")] (Somebody.)',
    ),
    "a dataclass": (
        Point,
        Point(1),
        '[1, 7, "none given"]',
        "[x: integer, y: integer or null (default 7), label: string or null]",
    ),
    "a named tuple": (Pair, Pair(1), "[1, 0]", "[left: integer, right: integer or null (default 0)]"),
    "a typed dictionary": (
        Keys,
        {"a": 1, "c": None},
        "[1, null, null]",
        "[a: integer, b: integer or null, c: integer or null or []]",
    ),
    "an attrs class around others": (
        Crate,
        Crate(3, [Pair(1, 2)]),
        "[3, [[1, 2]]]",
        "[weight: integer, parts: [[left: integer, right: integer or null (default 0)], ...] or null]",
    ),
    "fields that can only be one thing": (
        Fixed,
        Fixed(flag=Flag.ON, nothing=None, size=2),
        "[2]",
        "[size: integer]",
    ),
    "a tagged union": (
        list[Circle | Square],
        [Circle(radius=1.5), Square(side=2)],
        '[{"circle": [1.5]}, {"square": [2.0]}]',
        '[{"circle": [radius: number]} or {"square": [side: number]}, ...]',
    ),
    "a union without tags": (
        Circle | Plain,
        Plain(radius=1),
        '{"Plain": [1.0]}',
        '{"Circle": [radius: number]} or {"Plain": [radius: number]}',
    ),
    "tagged structs": (Ping | Pong, Pong(4), '{"pong": [4]}', '{"ping": [seq: integer]} or {"pong": [seq: integer]}'),
    "a union with one object": (Plain | None, Plain(radius=1), "[1.0]", "[radius: number] or null"),
    "an object beside a list": (
        Plain | list[float],
        Plain(radius=1),
        '{"Plain": [1.0]}',
        '{"Plain": [radius: number]} or [number, ...]',
    ),
    "an object beside a root model": (
        Plain | Several,
        Several([Plain(radius=1)]),
        "[[1.0]]",
        '{"Plain": [radius: number]} or [[radius: number], ...]',
    ),
    "a union in a union": (
        dict[str, Shape | list[int]],
        {"a": Circle(radius=1), "b": [1]},
        '{"a": {"circle": [1.0]}, "b": [1]}',
        '{string: {"circle": [radius: number]} or {"square": [side: number]} or [integer, ...], ...}',
    ),
    "what holds itself": (
        Tree,
        Tree(value=1, left=Tree(value=2, left=Leaf(text="x"))),
        '[1, {"Tree": [2, {"Leaf": ["x"]}]}]',
        'tree\nwhere\ntree: [value: integer, left: {"Tree": tree} or {"Leaf": [text: string]} or null]',
    ),
    "a tuple": (
        tuple[Pair, str],
        (Pair(1, 2), "x"),
        '[[1, 2], "x"]',
        "[[left: integer, right: integer or null (default 0)], string]",
    ),
}


@pytest.mark.parametrize("name", LOOKS)
def test_it_looks_so_and_comes_back(name: str) -> None:
    hint, value, text, shape = LOOKS[name]
    kind: Any = output_type(hint, json_format="compact")
    assert (kind.encode(value), kind.shape) == (text, shape)
    assert kind.decode(text) == value
    check_laws(kind, [value], every=True)


def test_a_field_that_is_left_out_has_its_default() -> None:
    @dataclass
    class Basket:
        items: list[int] = field(default_factory=lambda: [1, 2])
        size: int = 3

    assert output_type(Basket, json_format="compact").decode("[null, null]") == Basket()
    assert output_type(Point, json_format="compact").decode("[1, null, null]") == Point(1, 7, None)
    assert output_type(Keys, json_format="compact").decode("[1, null, []]") == {"a": 1}


def test_aliases_validators_and_json_mode_hold_as_ever() -> None:
    seen: list[Any] = []

    def note(value: Any) -> Any:
        seen.append(value)
        return value

    class Bill(BaseModel):
        when: Annotated[Decimal, BeforeValidator(note)] = Field(alias="the amount")
        parts: list[Pair] = []

        @model_validator(mode="before")
        @classmethod
        def whole(cls, data: Any) -> Any:
            seen.append(data)
            return data

    kind = output_type(list[Bill], json_format="compact")
    [bill] = kind.decode('[["1.50", [[1, 2]]]]')
    assert (str(bill.when), bill.parts) == ("1.50", [Pair(1, 2)])
    assert seen == [{"the amount": "1.50", "parts": [{"left": 1, "right": 2}]}, "1.50"]


def test_no_number_is_rounded_on_its_way_to_pydantic() -> None:
    class Sizes(BaseModel):
        big: int
        exact: Any

    made = output_type(Sizes, json_format="compact").decode("[123456789012345678901234567890, 1.5]")
    assert made == Sizes(big=123456789012345678901234567890, exact=1.5)
    with pytest.raises(DecodeError) as caught:
        output_type(Sizes, json_format="compact").decode(f"[{'1' * 5000}, 1]")
    assert "return.big: no more than 4300 digits" in failed_checks(
        output_type(Sizes, json_format="compact"), caught.value
    )


def test_a_key_that_may_be_left_out_and_hold_anything_is_refused_only_there() -> None:
    with pytest.raises(UnsupportedType) as caught:
        output_type(list[Loose], json_format="compact")
    assert str(caught.value) == (
        "return[]: Loose has the key 'extra', which may be left out and may hold anything, so that in a compact array "
        "nothing is left to say that it is not there; give it a narrower type, or use json_format='spaced'"
    )
    assert output_type(list[Loose]).decode("[{}]") == [{}]


def test_a_hook_of_ones_own_reads_its_parts_whatever_it_says_of_pydantic() -> None:
    class Box:
        def __init__(self, item: Any) -> None:
            self.item = item

    mine = Registry(parent=default_registry)

    @mine.hook(Box)
    def box_codec(hint: Any, context: Any) -> Codec[Any]:
        item = context.codec(Character)
        return Codec(
            item.expr,
            item.schema,
            to_json=lambda box: item.to_json(box.item),
            from_json=lambda data: Box(item.from_json(data)),
            accepts=lambda value: isinstance(value, Box),
        )

    kind = output_type(list[Box], json_format="compact", registry=mine)
    text = '[["Ada", 36, "villain"]]'
    assert kind.encode(kind.decode(text)) == text


def test_a_hook_with_a_json_schema_reads_objects_with_keys() -> None:
    class Colour:
        def __init__(self, red: int) -> None:
            self.red = red

    mine = Registry(parent=default_registry)
    schema = {"type": "object", "properties": {"red": {"type": "integer"}}, "required": ["red"]}

    @mine.hook(Colour)
    def colour_codec(hint: Any, context: Any) -> Codec[Any]:
        def read(data: Mapping[str, Any]) -> Colour:
            return Colour(**data)

        return replace(
            schema_codec(schema, context),
            to_json=lambda colour: {"red": colour.red},
            from_json=read,
            accepts=lambda value: isinstance(value, Colour),
            native=False,
            plain=False,
        )

    kind = output_type(tuple[Colour, Pair], json_format="compact", registry=mine)
    text = '[{"red": 3}, [1, 2]]'
    assert kind.encode(kind.decode(text)) == text


def test_what_is_written_so_far_is_shown_with_its_keys() -> None:
    kind = output_type(list[Character | Point | None], json_format="compact")
    text = '[{"Character": ["Ada", 36, "villain"]}, null, {"Point": [1, 2, "x"]}]'
    seen: list[Any] = []
    for end in range(1, len(text) + 1):
        value = kind.expanded(partial_json(text[:end]))
        if value not in seen:
            seen.append(value)
    assert seen[1] == [{}] and [{"name": "Ad"}] in seen and [{"name": "Ada", "age": 36}] in seen
    assert seen[-1] == [
        {"name": "Ada", "age": 36, "role": "villain"},
        None,
        {"x": 1, "y": 2, "label": "x"},
    ]
    alone = output_type(Character | None, json_format="compact")
    assert alone.expanded(partial_json('["A')) == {"name": "A"}


def test_which_member_it_is_is_not_shown_before_its_name_is_written() -> None:
    kind = output_type(Circle | Square, json_format="compact")
    shown = [kind.expanded(partial_json(text)) for text in ('{"', '{"square": [', '{"square": [2.5, ')]
    assert shown == [{}, {"kind": "square"}, {"kind": "square", "side": 2.5}]
    two: Any = output_type(tuple[Plain, int] | tuple[Pair, str], json_format="compact")
    assert two.expanded(partial_json('{"tuple')) == []


def test_lists_that_no_key_tells_apart_any_more_are_put_under_names() -> None:
    class Other(BaseModel):
        length: float

    hint: Any = tuple[Plain] | tuple[Other] | list[int] | None
    kind = output_type(hint, json_format="compact")
    value = (Other(length=1),)
    assert kind.encode(value) == '{"tuple 2": [[1.0]]}' and kind.decode('{"tuple 2": [[1.0]]}') == value
    check_laws(kind, [value, [1], None, (Plain(radius=2),)], every=True)
    assert output_type(hint).encode(value) == '[{"length": 1.0}]'


def test_a_dictionary_beside_what_has_a_name_has_one_too() -> None:
    hint: Any = Plain | list[Plain] | dict[str, list[float]]
    kind = output_type(hint, json_format="compact")
    values = [Plain(radius=1), [Plain(radius=1)], {"Plain": [1.0]}]
    assert [kind.encode(value) for value in values] == [
        '{"Plain": [1.0]}',
        "[[1.0]]",
        '{"dict": {"Plain": [1.0]}}',
    ]
    check_laws(kind, values, every=True)


def test_a_json_format_is_named_by_its_name_or_its_member() -> None:
    assert output_type(Pair, json_format="compact") is output_type(Pair, json_format=JsonFormat.COMPACT)
    assert output_type(Pair, json_format="spaced") is output_type(Pair)
    wrong: Any = "short"
    with pytest.raises(
        ValueError, match=r"json_format is one of 'spaced', 'tight', 'compact' or a typefold.JsonFormat, not 'short'"
    ):
        output_type(Pair, json_format=wrong)
