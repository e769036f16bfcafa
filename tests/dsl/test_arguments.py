"""Arguments are compared with their annotations, and what is given for rows must be rows, before anything is asked."""

from __future__ import annotations

import asyncio
import collections.abc as abc
import datetime as dt
import functools
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NewType, Protocol, TextIO, TypeVar
from unittest.mock import Mock

import numpy as np
import pytest
from pydantic import AwareDatetime, BaseModel, EmailStr, Field
from returns.result import Success
from typing_extensions import TypeAliasType, TypedDict

from typefold import BadInput, BatchError, PromptUsageError, Runtime, ask, gather, prompt, run, system, user
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.signatures.parameters import Parameters

pd: Any = pytest.importorskip("pandas")
pa: Any = pytest.importorskip("pyarrow")
T = TypeVar("T")
NaN = float("nan")


class Hero(BaseModel):
    name: str


class Box(BaseModel, Generic[T]):
    held: T


class Colour(Enum):
    RED = "red"


class Tone(StrEnum):
    GRIM = "grim"


@dataclass
class Point:
    x: int


OldPoint = make_dataclass("Point", [("x", int)])


class Row(TypedDict):
    text: str


class Named(Protocol):
    name: str


UserId = NewType("UserId", int)
Words = TypeAliasType("Words", list[Any] | str)

FITTING: list[tuple[Any, list[Any]]] = [
    (str, ["", Tone.GRIM, np.str_("a")]),
    (int, [1, True, np.int64(3), np.uint8(3)]),
    (float, [1.5, 1, NaN, np.float64(1), np.float32("nan"), np.int64(1)]),
    (complex, [1j, 1.5, 1]),
    (bool, [True, np.bool_(0)]),
    (bytes, [b""]),
    (dt.date, [dt.date(2024, 1, 2), dt.datetime(2024, 1, 2)]),
    (dt.datetime, [dt.datetime(2024, 1, 2), pd.Timestamp("2024-01-02")]),
    (dt.timedelta, [dt.timedelta(1), pd.Timedelta(1, "D")]),
    (Decimal, [Decimal(1), Decimal("NaN")]),
    (Path, [Path("a")]),
    (Colour, [Colour.RED]),
    (Hero, [Hero(name="Ada"), Mock(spec=Hero)]),
    (Box[int], [Box[int](held=1), Box(held=1)]),
    (Point, [Point(1)]),
    (Row, [{"text": "a"}, {}]),
    (str | None, ["a", None]),
    (typing.Optional[Hero], [None, Hero(name="Ada")]),  # noqa: UP045  # it is a form of its own
    (int | list[str], [1, [3]]),
    (Literal["a", 1, None], ["a", 1, None, np.str_("a"), np.int64(1)]),
    (Literal["grim"], ["grim", Tone.GRIM]),
    (Literal[Colour.RED], [Colour.RED]),
    (list[int], [["not looked into"]]),
    (Sequence[str], [["a"], ("a",), "a"]),
    (Mapping[str, int], [{}]),
    (dict[str, int], [{1: "a"}]),
    (tuple[int, str], [("a",)]),
    (type[Hero], [Hero]),
    (Callable[[], int], [len]),
    (abc.Hashable, [1, None]),
    (abc.Iterable, [[1], np.array([1])]),
    (Named, [Hero(name="Ada"), 3]),
    (TextIO, [open(__file__)]),  # noqa: SIM115  # never read
    (EmailStr, ["a@b.c"]),
    (AwareDatetime, [dt.datetime(2024, 1, 2, tzinfo=dt.UTC)]),
    (UserId, [1]),
    (Words, ["a", []]),
    (Annotated[int, Field(ge=3)], [1]),
    (Any, [None, NaN, pd.NA, object()]),
    (object, [None, pd.NaT]),
    (T, [None, 1]),
    ("Undefined", [None, 1]),
    (3, [None, 1]),
]
UNFIT: list[tuple[Any, list[Any]]] = [
    (str, [None, NaN, pd.NA, pd.NaT, 1, b"a", ["a"], Path("a"), Hero(name="a")]),
    (int, [None, NaN, "1", 1.5, np.float64(1), Decimal(1)]),
    (float, [None, "1.5", Decimal(1), pd.NA]),
    (bool, [1, "true", None]),
    (bytes, ["a", None]),
    (dt.date, ["2024-01-02", pd.NaT, None]),
    (dt.datetime, [pd.NaT, dt.date(2024, 1, 2), np.datetime64("NaT"), None]),
    (dt.timedelta, [pd.NaT, 1]),
    (Decimal, [1, 1.5, NaN]),
    (Path, ["door.png"]),
    (Colour, ["red", None]),
    (Hero, [{"name": "Ada"}, None, NaN, "Ada", Mock()]),
    (Box[int], [{"held": 1}]),
    (Point, [(1,)]),
    (Row, [None, NaN, [("text", "a")]]),
    (str | None, [NaN, pd.NA, 1]),
    (Literal["a", 1], ["b", True, None, NaN, 1.0, ["a"], np.array(["a", "b"])]),
    (list[int], [(1,), None, "a", np.array([1])]),
    (tuple[int, str], [[1, "a"]]),
    (Sequence[str], [None, NaN, 3]),
    (Callable[[], int], [None, 3]),
    (Named, [None, NaN]),
    (EmailStr, [None, NaN]),
    (UserId, ["1", None]),
    (Words, [3, None]),
    (Annotated[int, Field(ge=3)], ["3", None]),
]


def unfit(hint: Any, value: Any) -> str | None:
    def of(given: Any) -> None: ...

    of.__annotations__["given"] = hint
    return Parameters(of).unfit({"given": value})


@pytest.mark.parametrize(("hint", "fitting"), FITTING, ids=lambda each: re.sub(r" at 0x.*", "", str(each))[:40])
def test_what_a_type_checker_takes_is_taken(hint: Any, fitting: list[Any]) -> None:
    assert [unfit(hint, value) for value in fitting] == [None] * len(fitting)


@pytest.mark.parametrize(("hint", "others"), UNFIT, ids=lambda each: str(each)[:40])
def test_what_is_of_another_type_is_refused(hint: Any, others: list[Any]) -> None:
    assert [value for value in others if unfit(hint, value) is None] == []


@pytest.mark.parametrize(
    ("hint", "value", "words"),
    [
        (str, None, "given is None, and the parameter takes str; fill or drop such rows, or annotate it with `| None`"),
        (str, NaN, "given is nan, a missing value, and the parameter takes str; fill or drop such rows"),
        (int | None, NaN, "given is nan, a missing value, and the parameter takes int | None; give None for it"),
        (str, 5, "given takes str, not int (5); write str(...) if that is what is meant"),
        (Hero, {"name": "Ada"}, "given takes Hero, not dict; write Hero.model_validate(...)"),
        (Point, {"x": 1}, "given takes Point, not dict; write Point(**...)"),
        (Path, "a.png", "given takes Path, not str ('a.png'); write Path(...) if that is what is meant"),
        (dt.date | None, "x", "given takes date | None, not str ('x'); write date.fromisoformat(...)"),
        (Literal["a"], "b" * 99, f"given takes Literal['a'], not str ('{'b' * 36}...); give one of these"),
        (
            str,
            {"a": 1},
            "given takes str, not dict; give a str, and rows of such to map_rows, which goes by names",
        ),
        (
            str,
            ["a"],
            "given takes str, not list; give a str; a value for each row goes by .starmap(zip(...)) or .map_rows",
        ),
        (int | None, [1, None], "given takes int | None, not list; give an int; a value for each row goes by .starmap"),
        (str, b"a", "given takes str, not bytes (b'a'); write .decode()"),
        (str, Colour.RED, "given takes str, not Colour (<Colour.RED: 'red'>); write .value"),
        (list[int], (1,), "given takes list[int], not tuple; write list(...) if that is what is meant"),
        (Hero, 5, "given takes Hero, not int (5); give a Hero"),
        (
            int,
            4.0,
            "given takes int, not float (4.0); write int(...) if that is what is meant (of pandas, frame.conv",
        ),
        (str, pa.scalar("a"), "given takes str, not StringScalar; write .as_py(), or give the whole column"),
        (
            Point,
            OldPoint(1),
            "given takes Point, and this is one of another class of that name (was it defined again?); make",
        ),
    ],
)
def test_the_error_says_what_came_what_is_taken_and_what_to_write(hint: Any, value: Any, words: str) -> None:
    said = unfit(hint, value)
    assert said is not None and said.startswith(words)


def test_defaults_are_not_compared_and_what_is_spread_is_compared_one_by_one() -> None:
    def of(*words: str, mood: str = 3, **scores: int) -> None: ...  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]

    known = Parameters(of)
    assert known.unfit({"words": ("a", "b"), "mood": 3, "scores": {"x": 1}}) is None
    assert "words is None" in str(known.unfit({"words": ("a", None), "mood": 3, "scores": {}}))
    assert "scores takes int" in str(known.unfit({"words": (), "mood": 3, "scores": {"x": "1"}}))


@prompt(max_tokens=10)
def tag(text: str, stars: int = 3) -> str:
    return ask(f"{stars}: {text}")


def program(text: str) -> str:
    return tag(text)


def yielding(text: str) -> abc.Iterator[str]:
    yield tag(text)


def asked(engine: ScriptedEngine) -> list[str]:
    return [request.prompt[-1].content for request in engine.requests if not isinstance(request.prompt, str)]


def test_no_way_to_ask_sends_a_missing_value_or_one_of_another_type(engine: ScriptedEngine) -> None:
    @prompt(max_tokens=10)
    async def later(text: str) -> str:
        return ask(text)

    rows: Any = ["a", None, 5, NaN]
    none: Any = None

    async def awaited() -> None:
        assert [isinstance(each.failure(), BadInput) for each in (await later.safe.map(rows))[1:]] == [True] * 3
        assert isinstance((await later.safe(none)).failure(), BadInput)
        with pytest.raises(BadInput, match="later: the arguments could not be made into a prompt: text is None"):
            await later(none)
        with pytest.raises(BadInput, match="text is None"):
            await tag.aio(none)

    with Runtime(engine):
        asyncio.run(awaited())
        single: Any = [(row,) for row in rows]
        for results in (tag.safe.map(rows), run.safe(tag, rows), tag.safe.starmap(single)):
            assert [type(each.failure()) for each in results[1:]] == [BadInput] * 3
            assert [re.findall(r"tag, row (\d)", str(each.failure())) for each in results[1:]] == [["1"], ["2"], ["3"]]
        assert [len(row) for row in tag.sample(2).safe.map(rows)] == [2] * 4
        assert isinstance(run.safe(program, [none])[0].failure(), BadInput)
        calls: list[Callable[[Any], object]] = [
            tag,
            tag.render,
            lambda value: tag.submit(value).result(),
            lambda value: tag.stream(value).result(),
            lambda value: tag.defer(value).result(),
        ]
        for call in calls:
            with pytest.raises(BadInput, match="tag: the arguments could not be made into a prompt: text is None"):
                call(none)
        assert isinstance(tag.safe(none).failure(), BadInput)
    assert {*asked(engine)} == {"a", "3: a"}


def test_an_example_is_compared_too_and_names_may_be_defined_later() -> None:
    none: Any = None
    word: Any = "x"
    with pytest.raises(PromptUsageError, match=r"is not an example of it: .*text is None, and the parameter takes str"):
        tag.with_examples(tag.example("good", none))

    @prompt
    def of(thing: LaterDefined) -> str:
        return ask(f"{thing}")

    with pytest.raises(BadInput, match="thing takes LaterDefined, not str"):
        of.render(word)


class LaterDefined: ...


def test_a_program_is_spared_missing_values_that_it_does_not_take(engine: ScriptedEngine) -> None:
    def untyped(text): ...  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]

    def maybe(text: str | None) -> bool:
        return text is None

    def two(text: str, number: int = 3) -> str:
        return f"{text}{number}"

    nones: list[Any] = [None, "a"]
    assert run(untyped, nones) == [None, None]  # pyright: ignore[reportUnknownArgumentType]
    assert run(maybe, nones) == [True, False]
    pairs: list[Any] = [("a", 1), ("a", None), (NaN, 1)]
    with pytest.raises(Exception, match=r"two, row 1: .* number is None, and the parameter takes int"):
        run.starmap(two, pairs)


ONE: list[tuple[Any, str]] = [
    ("Mars", r"rows can't be taken from a str, which is one value; give \[value\]"),
    (b"Mars", r"rows can't be taken from a bytes, which is one value; give \[value\]"),
    ({"text": "a"}, r"rows can't be taken from a dict, whose keys would be the rows; give "),
    ({"a", "b"}, r"rows can't be taken from a set, which has no order .*; give sorted\(rows\) or a list"),
    (5, "rows can't be taken from a int, which can't be iterated; give a list"),
    (
        pd.DataFrame({"text": ["a"]}),
        "DataFrame of pandas, which has several columns; .* to map_rows, which gives columns",
    ),
]


@pytest.mark.parametrize(("rows", "words"), ONE, ids=lambda each: type(each).__name__)
def test_one_value_given_for_many_rows_is_refused(rows: Any, words: str, engine: ScriptedEngine) -> None:
    verbs: list[Callable[[Any], object]] = [
        tag.map,
        tag.safe.map,
        tag.starmap,
        tag.safe.starmap,
        tag.sample(2).map,
        tag.sample(2).starmap,
        lambda given: run(program, given),
        lambda given: run.safe(program, given),
        lambda given: run.starmap(program, given),
        lambda given: list(run.stream(program, given)),
    ]
    with Runtime(engine):
        for verb in verbs:
            with pytest.raises(PromptUsageError, match=words):
                verb(rows)
    assert not engine.requests


def test_arguments_for_all_rows_that_fit_no_call_are_said_once(engine: ScriptedEngine) -> None:
    others: list[tuple[dict[str, Any], str]] = [
        ({"mod": "x"}, r"tag\(\) got an unexpected keyword argument 'mod'$"),
        ({"text": "x"}, r"tag\(\) multiple values for argument 'text'"),
        (
            {"max_failures": 3},
            r"'max_failures'; max_failures is an option, so write .using\(max_failures=...\) before the call",
        ),
    ]
    with Runtime(engine):
        for given, words in others:
            for verb in (tag.map, tag.safe.map, tag.sample(2).map):
                with pytest.raises(TypeError, match=words):
                    verb(iter(["a", "b"]), **given)
        with pytest.raises(TypeError, match=r"write .using\(temperature=...\) before the call"):
            tag("a", temperature=0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert not engine.requests


def test_a_message_that_is_a_missing_value_costs_its_row(engine: ScriptedEngine) -> None:
    @prompt(max_tokens=10)
    def plain(row: dict[str, Any]) -> str:
        return ask(row["text"])

    @prompt(max_tokens=10)
    def turn(row: dict[str, Any]) -> str:
        return ask(system(row["text"]), user("and", row["text"]))

    rows: list[dict[str, Any]] = [{"text": "a"}, {"text": None}, {"text": NaN}, {"text": "d"}]
    with Runtime(engine):
        for results in (plain.safe.map(rows), turn.safe.map(rows), run.safe(plain, rows)):
            assert [isinstance(each, Success) for each in results] == [True, False, False, True]
            assert "a message is nan, a missing value; fill or drop such rows" in str(results[2].failure())


@pytest.mark.parametrize(
    ("function", "max_rows_in_flight", "words"),
    [
        (None, None, "the first argument is the function to call for each row, not NoneType"),
        (["a"], None, "for each row, not list"),
        (str, "5", "max_rows_in_flight is a number of rows of at least 1, not '5'"),
        (str, 1.5, "at least 1, not 1.5"),
        (yielding, None, "yielding yields, so that a call runs none of it; return the row's value"),
    ],
)
def test_what_can_run_no_row_is_refused_before_any_does(function: Any, max_rows_in_flight: Any, words: str) -> None:
    with pytest.raises(PromptUsageError, match=words):
        run(function, ["a"], max_rows_in_flight=max_rows_in_flight)


def test_a_partial_function_is_named_by_what_it_calls() -> None:
    def join(first: str, second: str) -> str:
        return first + second

    rows: list[Any] = ["b", None]
    first, second = run.safe(functools.partial(join, "a"), rows)
    assert first == Success("ab") and str(second.failure()).startswith("join, row 1: ")


def test_gather_takes_no_mapping() -> None:
    deferred: Any = {"a": tag.defer("x")}
    with pytest.raises(
        PromptUsageError, match=r"from a dict, whose keys would be the rows; give list\(mapping.values\(\)\)$"
    ):
        gather(deferred)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"text": "a"}, "not dict; give the rows to map_rows, which goes by names"),
        ("ab", r"not str; give \(row,\), or the rows to map"),
        ({"a", "b"}, "a set has no order; give a tuple"),
        (5, r"not int; give \(row,\), or the rows to map"),
    ],
)
def test_a_row_of_starmap_holds_its_arguments_in_order(row: Any, words: str, engine: ScriptedEngine) -> None:
    later: list[Any] = [("a", 1), row, ["b"]]
    with Runtime(engine):
        with pytest.raises(PromptUsageError, match=f"a row of starmap is a tuple of arguments, .*{words}"):
            tag.starmap([row])
        with pytest.raises(PromptUsageError, match=words):
            run.starmap(program, [row])
        first, second, third = tag.safe.starmap(later)  # what was begun goes on
        assert isinstance(second.failure(), BadInput) and second.failure().row == 1
        assert (first.unwrap(), third.unwrap()) != ("", "")
    assert asked(engine) == ["1: a", "3: b"]


def test_generate_sends_no_missing_value_and_takes_lists(runtime: Runtime) -> None:
    prompts: list[Any] = ["a", None, NaN]
    with pytest.raises(BatchError) as failed:
        runtime.generate(prompts)
    assert [type(each) for each in failed.value.failures] == [BadInput] * 2
    assert "made into a prompt: the prompt is None, a missing value; fill or drop such rows" in str(failed.value)
    others: list[Any] = [pd.Series(["a"]), {"a": 1}, {"a"}, None]
    for other in others:
        with pytest.raises(PromptUsageError, match=r"a list of these; not \w+ \(of a column, give list\(column\)\)"):
            runtime.generate(other)
