"""Counterexamples that were found once, each under the name of what it broke."""

from __future__ import annotations

import dataclasses
import re
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NotRequired

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    TypeAdapter,
    create_model,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from typing_extensions import TypeAliasType, TypedDict

from typefold.compiler import DecodeError, JsonFormat, UnsupportedType, output_type
from typefold.compiler.grammar.matcher import recognises
from typefold.testing.laws import check_laws, failed_checks, same

from .matchers import Guidance, XGrammar


class Role(Enum):
    HERO = "hero"
    VILLAIN = "villain"


class Digit(Enum):
    ONE = "1"
    X = "x"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class OneOrZero(Enum):
    ONE = 1
    ZERO = 0


class Half(Enum):
    WHOLE = 1.0
    HALF = 0.5


class Far(Enum):
    FAR = 2**70
    NEAR = 1


class HoldsFar(BaseModel):
    far: Far
    all: list[Far]


@dataclasses.dataclass
class PlainFar:
    far: Literal[1, 1180591620717411303424]  # type: ignore[valid-type]  # mypy knows 64 bits


class AroundPlainFar(BaseModel):
    far: PlainFar


class LiteralFar(BaseModel):
    far: list[Literal[1, 1180591620717411303424]]  # type: ignore[valid-type]  # as above


class Point(TypedDict):
    x: int


class MayHaveA(TypedDict):
    a: NotRequired[int]


class MayHaveB(TypedDict):
    b: NotRequired[int]


class Holder(BaseModel):
    model_config = ConfigDict(use_enum_values=True)
    role: Role | None


class Host(BaseModel):
    guest: Guest | None = None
    role: Literal[Role.HERO] = Role.HERO


class Guest(BaseModel):
    host: Host | None = None


@dataclasses.dataclass
class Plain:
    x: int


class StrictHost(BaseModel, strict=True):
    point: Plain
    role: Literal[Role.HERO] | None


@pydantic_dataclass
class ByAlias:
    x: int = Field(alias="the x")


@dataclasses.dataclass
class ByAnnotatedAlias:
    x: Annotated[int, Field(alias="the x")]


class DictByAlias(TypedDict):
    x: Annotated[int, Field(alias="the x")]


class json_value(BaseModel):
    """Named as a rule of ours is."""

    anything: Any


Name = TypeAliasType("Name", str)


class Point2(BaseModel):
    about: dict[str, Any] | None = None
    kind: Literal["point"]


class Line2(BaseModel):
    about: dict[str, Any] | None = None
    kind: Literal["line"]


class ByPython(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")
    word: Annotated[str, Field(pattern=r"^\w+$")]
    other: Annotated[str, Field(pattern=r"^(?!ab)[a-c]+$")] = "c"


class BadDefault(BaseModel):
    size: Annotated[int, Field(ge=1, validate_default=True)] = 0
    other: int = 0
    role: Literal["hero"] | None = Field("none", validate_default=True)


class SelfByDefault(BaseModel):
    inner: SelfByDefault | None = Field({}, validate_default=True)


class OldName(RootModel[str]):
    root: Annotated[str, Field(deprecated=True)]


class Named(BaseModel):
    keys: list[int]


class Items(RootModel[list[int]]):
    pass


RETURNS: dict[str, tuple[Any, list[Any]]] = {
    "a control character whose code ends in f": (list[str], [["\x0f", "\x1f", "\x0e", "\x00"]]),
    "two TypedDicts of optional keys": (MayHaveA | MayHaveB, [{"b": 1}, {"a": 1}, {}]),
    "an Enum's value held in place of its member": (Holder, [Holder(role=Role.HERO), Holder(role=None)]),
    "a Literal of numbers as key": (dict[Literal[1, 2], int], [{1: 2}, {2: 0, 1: 1}]),
    "an Enum of numbers as key": (dict[OneOrZero, int], [{OneOrZero.ONE: 2}, {OneOrZero.ZERO: 0, OneOrZero.ONE: 1}]),
    "an IntEnum as key": (dict[Level, int], [{Level.LOW: 2}]),
    "a Literal of an Enum inside mutual recursion": (Host, [Host(guest=Guest(host=Host()))]),
    "mutual recursion from the other side": (Guest, [Guest(host=Host(guest=Guest()))]),
    "an alias of a pydantic dataclass": (ByAlias, [ByAlias(**{"the x": 1})]),
    "an alias in a dataclass's annotation": (ByAnnotatedAlias, [ByAnnotatedAlias(1)]),
    "an alias in a TypedDict's annotation": (DictByAlias, [{"x": 1}]),
    "a class that is named as a rule": (json_value, [json_value(anything={"a": [1, None]})]),
    "an alias as key": (dict[Name, int], [{"a": 1}]),
    "a limit that one member of a union fails": (
        Annotated[int, Field(multiple_of=3)] | Annotated[int, Field(ge=0)],
        [3, 4],
    ),
    "a repeated group that may be absent": (Annotated[str, Field(pattern=r"^(yes|no)(!{1,3})?$")], ["yes", "no!!"]),
    "letters that Python knows as symbols": (Annotated[str, Field(pattern=r"^\w$")], ["\u24b6", "\u0363", "a"]),
    "a strict model with a part that is not pydantic's own": (
        StrictHost,
        [StrictHost(point=Plain(1), role=Role.HERO), StrictHost(point=Plain(2), role=None)],
    ),
    "a Literal beyond 64 bits": (Literal[2**70, 0], [2**70, 0]),
    "an Enum beyond 64 bits beside a smaller number": (Far, [Far.FAR, Far.NEAR]),
    "such an Enum in a model": (HoldsFar, [HoldsFar(far=Far.FAR, all=[Far.NEAR, Far.FAR])]),
    "a Literal beyond 64 bits in a class that pydantic takes as it is": (
        AroundPlainFar,
        [AroundPlainFar(far=PlainFar(2**70))],
    ),
    "a tag behind a field that may hold anything": (
        Point2 | Line2,
        [Point2(kind="point", about={"kind": "line"}), Line2(kind="line")],
    ),
    "alternatives that begin alike, each with its anchors": (
        Annotated[str, Field(pattern=r"^SHA-224$|^SHA3-224$")],
        ["SHA-224", "SHA3-224"],
    ),
    "a line feed behind the end, as Python has it": (ByPython, [ByPython(word="a\n"), ByPython(word="a", other="ba")]),
    "a compiled pattern, which Python reads": (Annotated[str, Field(pattern=re.compile("^a$"))], ["a", "a\n"]),
    "a field that is named as a method of dictionaries": (Named, [Named(keys=[1])]),
    "a default that holds itself for ever": (SelfByDefault, [SelfByDefault(inner=None)]),
    "a default that fails its own check": (
        BadDefault,
        [BadDefault(size=1, role=None), BadDefault(size=2, other=3, role="hero")],
    ),
}


@pytest.mark.parametrize("json_format", [JsonFormat.SPACED, JsonFormat.COMPACT])
@pytest.mark.parametrize("name", RETURNS)
def test_comes_back(name: str, json_format: JsonFormat, xgrammar: XGrammar, guidance: Guidance) -> None:
    hint, values = RETURNS[name]
    kind = output_type(hint, json_format=json_format)
    for engine in (xgrammar, guidance):
        counts = check_laws(kind, values, matcher=engine.matcher(kind.constraint), every=True)
        assert counts.values == len(values)


class Node(BaseModel):
    kids: list[Node | Twin] = []


class Twin(BaseModel):
    kids: list[Node | Twin] = []


AS_PYDANTIC: dict[str, tuple[Any, list[Any]]] = {
    "a dictionary beside a TypedDict with fewer keys": (Point | dict[str, int], [{"x": 1, "y": 2}, {"x": 1}]),
    "a TypedDict beside a dictionary": (dict[str, int] | Point, [{"x": 1, "y": 2}]),
    "an Enum of digits beside a number": (int | Digit, [Digit.ONE, 1]),
    "an Enum of digits beside a decimal": (float | Digit, [Digit.ONE, 1.0]),
    "an Enum of numbers beside a truth value": (bool | OneOrZero, [OneOrZero.ONE, OneOrZero.ZERO, True, False]),
    "an Enum of numbers beside a decimal": (float | OneOrZero, [OneOrZero.ONE, 1.0, 0.0]),
    "an Enum of decimals beside a number": (int | Half, [Half.WHOLE, 1]),
    "an Enum of decimals beside a truth value": (bool | Half, [Half.WHOLE, True]),
    "a Literal number beside a decimal": (Literal[1] | float, [1, 1.0]),
    "a Literal truth beside a number": (Literal[True] | int, [True, 1, 0]),
    "members of a recursive union that share a text": (Node, [Node(kids=[Twin(), Node(kids=[Twin()])])]),
}
"""Unions of which pydantic reads a text as another member's value, though one member alone writes it, or both do."""


@pytest.mark.parametrize("json_format", [JsonFormat.SPACED, JsonFormat.TIGHT])
@pytest.mark.parametrize("name", AS_PYDANTIC)
def test_comes_back_as_it_does_from_pydantic(
    name: str, json_format: JsonFormat, xgrammar: XGrammar, guidance: Guidance
) -> None:
    hint, values = AS_PYDANTIC[name]
    kind, adapter = output_type(hint, json_format=json_format), TypeAdapter[Any](hint)
    lost = 0
    for value in values:
        back = adapter.validate_json(adapter.dump_json(value, by_alias=True))
        assert same(kind.decode(kind.encode(value)), back)
        lost += not same(back, value)
    for engine in (xgrammar, guidance):
        counts = check_laws(kind, values, matcher=engine.matcher(kind.constraint))
        assert (counts.values, counts.lost) == (len(values) - lost, lost)
    assert lost


class Stripped(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    s: Annotated[str, Field(pattern="^[ x]*$", min_length=2)]


class Kids(BaseModel):
    kids: list[Kids] = []


FAILS_BY_NAME: dict[str, tuple[Any, str, str]] = {
    "shorter once stripped": (
        Annotated[str, StringConstraints(strip_whitespace=True, pattern="^ *x*$", min_length=2)],
        "  ",
        "return: min_length=2",
    ),
    "shorter by a validator": (
        Annotated[str, AfterValidator(str.strip), Field(min_length=2)],
        "  ",
        "return: min_length=2",
    ),
    "stripped by the model": (Stripped, '{"s": "  x  "}', "return.s: min_length=2"),
    "an unhashable item of any kind": (set[Any], "[[1]]", "return: hashable items"),
    "more digits than Python reads": (int, "1" * 4301, "return: no more than 4300 digits"),
    "nested too deeply": (Kids, '{"kids": [' * 120 + "]}" * 120, "return: no deeper than 200 levels"),
    "any JSON nested too deeply": (Any, "[" * 250 + "]" * 250, "return: no deeper than 200 levels"),
    "too few by a rule that a foreign part hides": (
        Annotated[set[Literal[Role.HERO, Role.VILLAIN]], Field(min_length=2)],
        '["hero", "hero"]',
        "return: min_length=2",
    ),
    "what only looks ahead": (ByPython, '{"word": "a", "other": "ab"}', "return.other: pattern='^(?!ab)[a-c]+$'"),
    "a second item that falls together with the first": (
        Annotated[set[int] | None, Field(min_length=2)],
        "[1, 1]",
        "return: min_length=2",
    ),
    "a length of a number": (Annotated[int | str, Field(min_length=1)], "3", "return: min_length=1"),
    "rounded to a bound that is left out": (Annotated[float, Field(gt=0, le=1)], "1e-324", "return: gt=0"),
}


@pytest.mark.parametrize("name", FAILS_BY_NAME)
def test_fails_a_named_check(name: str) -> None:
    hint, text, check = FAILS_BY_NAME[name]
    kind = output_type(hint)
    assert kind.constraint.language is not None or kind.constraint.kind == "text"
    assert kind.constraint.language is None or recognises(kind.constraint.language, text)
    with pytest.raises(DecodeError) as caught:
        kind.decode(text)
    assert check in failed_checks(kind, caught.value)
    assert caught.value.check in (*kind.post_checks, *kind.reader_limits)


def test_alias_of_text_is_bare_at_the_root() -> None:
    assert output_type(Name).encode('a "b"') == 'a "b"'


def test_fields_that_no_declaration_names_are_not_dropped_in_silence() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        x: int

    kind = output_type(Open)
    check_laws(kind, [Open(x=1)])
    with pytest.raises(ValueError, match="that it does not declare"):
        kind.encode(Open.model_validate({"x": 1, "y": 2}))


def test_an_object_of_many_optional_fields_is_sampled() -> None:
    fields: dict[str, Any] = {f"field_{number}": (int | None, None) for number in range(400)}
    assert check_laws(output_type(create_model("ManyOptional", **fields)), samples=1).texts == 1


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[list[int] | None, Field(min_length=1, max_length=2)],
        Annotated[int | None, Field(ge=1, le=3)],
        Annotated[set[bool], Field(min_length=1)],
        Annotated[dict[str, bool] | None, Field(min_length=1)],
    ],
)
def test_a_limit_that_the_grammar_can_hold_is_no_post_check(hint: Any) -> None:
    kind = output_type(hint)
    assert not [check for check in kind.post_checks if "digits" not in check]
    assert check_laws(kind, samples=100).failed == 0


def test_a_field_whose_default_fails_is_not_left_out() -> None:
    language = output_type(BadDefault).constraint.language
    assert language is not None
    assert recognises(language, '{"size": 1, "role": null}')
    for text in ("{}", '{"size": 1}', '{"role": null}'):
        assert not recognises(language, text)


REFUSED: dict[str, tuple[Any, str]] = {
    "keys that are written alike": (dict[Literal[1, "1"], int], "written alike"),
    "an infinite bound of a whole number": (Annotated[int, Field(ge=float("inf"))], "no whole number"),
    "a broken bound of a whole number": (Annotated[int, Field(gt=0.5)], "no whole number"),
    "a bound that is no number": (Annotated[float, Field(ge=float("nan"))], "no float"),
    "a bound that no float reaches": (Annotated[float, Field(ge=10**400)], "no float"),
    "an infinite member": (Enum("Inf", {"X": float("inf")}), "JSON cannot write"),
    "items that a set cannot hold": (set[list[int]], "not hashable"),
    "a pattern without a text": (Annotated[str, Field(pattern=r"[^\s\S]")], "no text meets its limits"),
    "an intersection of classes": (Annotated[str, Field(pattern=r"[a&&b]")], "no text meets its limits"),
    "a deprecated root": (list[OldName], "has a deprecated root"),
    "a length of a model": (Annotated[Items, Field(min_length=1)], "min_length, which does not apply to it"),
    "a length of a union with a model": (
        Annotated[Items | None, Field(min_length=1)],
        "min_length, which no Items meets",
    ),
    "an end in Python's spelling": (Annotated[str, Field(pattern=r"a\Z")], "refused by pydantic"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name: str) -> None:
    hint, reason = REFUSED[name]
    with pytest.raises(UnsupportedType, match=reason.replace("{}", r"\{\}")) as caught:
        output_type(hint)
    assert caught.value.path.startswith("return")


def test_a_literal_that_pydantic_itself_cannot_read_is_refused_where_pydantic_would_read_it() -> None:
    with pytest.raises(UnsupportedType, match=r"return\.far\[\]: .* which pydantic does not find beside smaller ones"):
        output_type(LiteralFar)
    with pytest.raises(UnsupportedType, match="which pydantic does not find beside smaller ones"):
        output_type(Annotated[Literal[1, 1180591620717411303424], AfterValidator(abs)])
