"""Columns of pandas, polars, pyarrow and numpy as rows, and results as frames of the first three."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import numpy as np
import pytest
from pydantic import AwareDatetime, BaseModel, Field
from returns.result import Failure, Result, Success

from typefold import BadInput, BatchError, PromptError, PromptUsageError, Runtime, Truncated, ask, prompt, run, to_frame
from typefold.programs.record_function import Inputs, Target, arrow_form
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.signatures.parameters import Parameter
from typefold.tables.columns import Unfit, rows_of

pd: Any = pytest.importorskip("pandas")
pl: Any = pytest.importorskip("polars")
arrow: Any = pytest.importorskip("pyarrow")

COLUMNS: dict[str, Callable[[list[Any]], Any]] = {
    "pandas": lambda values: pd.Series(values, dtype=object),
    "pandas, inferred": pd.Series,
    "polars": pl.Series,
    "pyarrow": arrow.array,
    "pyarrow, chunked": lambda values: arrow.chunked_array([values[:1], values[1:]]),
}


class Place(BaseModel):
    city: str


class Character(BaseModel):
    name: str
    age: int
    home: Place
    role: Literal["hero", "villain"] | None = None


@prompt
def name(thing: str) -> str:
    return ask(f"Name {thing}.")


@prompt
def maybe(thing: str | None, sep: str = "") -> str:
    return ask(f"Name {thing}.")


def echo(request: Any) -> str:
    return str(request.prompt[-1].content).partition(" ")[2][:-1]


def kinds(column: Any) -> list[Any]:
    def untyped(cell): ...  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]

    return [(type(each), each) for each in rows_of(column, untyped)]  # pyright: ignore[reportUnknownArgumentType]


@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
def test_a_column_is_rows(make: Callable[[list[Any]], Any]) -> None:
    with Runtime(ScriptedEngine(answers=echo)):
        assert name.map(make(["a", "b"])) == ["a", "b"]
        assert run(name, make(["a", "b"])) == ["a", "b"]
        assert name.safe.map(make(["a", "b"])) == [Success("a"), Success("b")]
        assert name.sample(1).map(make(["a", "b"])) == [["a"], ["b"]]


@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
def test_a_missing_value_costs_its_row_where_none_is_taken(make: Callable[[list[Any]], Any]) -> None:
    column = make(["a", None, "c"])
    with Runtime(ScriptedEngine(answers=echo)):
        assert maybe.map(column) == ["a", "None", "c"]
        for results in (name.safe.map(column), run.safe(name, column), run.safe(lambda_like, column)):
            assert (results[0], results[2]) == (Success("a"), Success("c"))
            error = results[1].failure()
            assert isinstance(error, BadInput) and error.row == 1
            assert "the column has no value here, and the parameter thing takes no None; fill or drop" in str(error)
        assert [len(row) for row in name.sample(2).safe.map(column)] == [2, 2, 2]


def lambda_like(thing: str) -> str:
    return thing


def test_cells_are_plain_python_values() -> None:
    assert kinds(pd.Series([1, 2])) == kinds(pl.Series([1, 2])) == kinds(arrow.array([1, 2])) == [(int, 1), (int, 2)]
    assert kinds(np.array([1, 2])) == kinds(pd.Series([np.int64(1), np.int64(2)], dtype=object)) == [(int, 1), (int, 2)]
    assert kinds(pd.Series([1.5, float("nan")])) == [(float, 1.5), (type(None), None)]
    assert kinds(pd.Series([True, pd.NA], dtype="boolean")) == [(bool, True), (type(None), None)]
    when = datetime(2024, 5, 1, 12)
    for column in (pd.Series([when, pd.NaT]), pl.Series([when, None]), arrow.array([when, None])):
        assert kinds(column) == [(datetime, when), (type(None), None)]
    assert kinds(np.array(["2024-05-01T12"], dtype="datetime64[ns]")) == [(datetime, when)]
    assert kinds(arrow.array([{"city": "Rome", "at": [1]}])) == [(dict, {"city": "Rome", "at": [1]})]
    nanoseconds = arrow.array([[when]], arrow.list_(arrow.timestamp("ns")))
    assert kinds(nanoseconds) == [(list, [when])] and type(next(iter(kinds(nanoseconds)))[1][0]) is datetime
    assert kinds(pd.array([1, None])) == [(int, 1), (type(None), None)]
    assert kinds(pl.Series([[1, 2]])) == kinds(pd.Series([np.array([1, 2])])) == [(list, [1, 2])]


SOONER = "2024-01-01"
BEYOND = {
    "pandas": pd.Series(np.array([SOONER, "20000-01-01", SOONER], dtype="datetime64[s]")),
    "numpy": np.array([SOONER, "20000-01-01", SOONER], dtype="datetime64[D]"),
    "numpy, times between": np.array([1, 10**17, 1], dtype="timedelta64[s]"),  # numpy itself gives another time for it
    "pyarrow": arrow.array([1, 10**17, 1], arrow.timestamp("s")),
    "polars": pl.Series([1, 10**9, 1], dtype=pl.Int32).cast(pl.Date),
}


@pytest.mark.parametrize("column", BEYOND.values(), ids=BEYOND)
def test_a_cell_that_python_has_no_value_for_costs_its_row(column: Any) -> None:
    @prompt
    def day(when: Any) -> str:
        return ask("Name it.")

    with Runtime(ScriptedEngine(answers=echo)):
        for results in (day.safe.map(column), run.safe(lambda when: "it", column), run.safe(day, column)):
            assert [isinstance(result, Success) for result in results] == [True, False, True]
            error = results[1].failure()
            assert isinstance(error, BadInput) and error.row == 1
            assert "the column's value here has no Python form" in str(error) and "drop such rows" in str(error)
    assert isinstance(list(rows_of(column, print))[1], Unfit)


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": [1]}),
        pd.MultiIndex.from_tuples([("a", 1)]),
        pl.DataFrame({"a": [1]}),
        arrow.table({"a": [1]}),
        arrow.record_batch({"a": [1]}),
    ],
)
def test_a_whole_table_is_refused_since_its_columns_are_no_rows(table: Any) -> None:
    with Runtime(ScriptedEngine(answers=echo)):
        with pytest.raises(PromptUsageError, match="has several columns; give one, as in frame"):
            name.map(table)
        with pytest.raises(PromptUsageError, match="has several columns; give one, as in frame"):
            run(name, table)


def test_an_array_without_a_dimension_is_refused() -> None:
    with pytest.raises(PromptUsageError, match=r"without a dimension, which is one value; give \[value\]"):
        run(str, np.array(3))


def test_a_column_is_read_by_the_first_parameter_that_is_free() -> None:
    def untyped(thing) -> None: ...  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]

    def either(thing: Literal["a", None]) -> None: ...

    column = pd.Series([None])
    takers: list[Callable[..., object]] = [untyped, maybe, len, either, partial(maybe, sep="-")]  # pyright: ignore[reportUnknownVariableType]
    assert [list(rows_of(column, taker)) for taker in takers] == [[None]] * 5
    for other in (name, name.sample(2), partial(partial(name))):
        assert isinstance(next(rows_of(column, other)), Unfit)


RESULTS: list[Result[Character, PromptError]] = [
    Success(Character(name="Ada", age=36, home=Place(city="Rome"), role="hero")),
    Failure(Truncated(max_tokens=1, function="make", row=1)),
    Success(Character(name="Bob", age=41, home=Place(city="Oslo"))),
]
MESSAGE = str(RESULTS[1].failure())
ROWS = [
    {"name": "Ada", "age": 36, "home": {"city": "Rome"}, "role": "hero", "error": None, "message": None},
    {"name": None, "age": None, "home": None, "role": None, "error": "Truncated", "message": MESSAGE},
    {"name": "Bob", "age": 41, "home": {"city": "Oslo"}, "role": None, "error": None, "message": None},
]


def test_results_are_a_table_of_arrow_with_failures_in_their_places() -> None:
    table = to_frame(RESULTS, Character)
    assert table.to_pylist() == ROWS
    assert table.schema.field("home").type == arrow.struct([("city", arrow.string())])
    assert [str(each.type) for each in table.schema][:2] == ["string", "int64"]


def test_results_are_a_frame_of_polars_or_pandas() -> None:
    assert to_frame(RESULTS, Character, to="polars").to_dicts() == ROWS
    frame = to_frame(RESULTS, Character, to="pandas")
    assert list(frame["name"])[::2] == ["Ada", "Bob"] and frame["home"][0] == {"city": "Rome"}
    assert list(frame["error"].isna()) == [True, False, True]


def test_values_of_other_types_are_one_column() -> None:
    assert to_frame([1, 2], int).to_pylist() == [{"value": 1}, {"value": 2}]
    days: list[date | None] = [date(2024, 5, 1), None]
    assert to_frame(days, date | None).to_pylist() == [{"value": date(2024, 5, 1)}, {"value": None}]
    assert to_frame([["a"]], list[str]).column("value").to_pylist() == [["a"]]
    empty: list[Character] = []
    assert to_frame(empty, Character).column_names == ["name", "age", "home", "role"]


def test_what_can_be_no_frame_is_said() -> None:
    class Report(BaseModel):
        message: str

    failed: list[Result[Report, PromptError]] = [Failure(Truncated(max_tokens=1))]
    with pytest.raises(PromptUsageError, match="the type has a field 'message', which is where failures go"):
        to_frame(failed, Report)
    with pytest.raises(PromptUsageError, match="to is 'arrow', 'pandas', 'polars' or 'datasets', not 'excel'"):
        to_frame([1], int, to="excel")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


class Aliased(BaseModel):
    size: int = Field(alias="Size")


def test_a_field_with_an_alias_keeps_its_value() -> None:
    assert to_frame([Aliased(Size=3)], Aliased).to_pylist() == [{"size": 3}]


NAIVE, AWARE = datetime(2024, 1, 2), datetime(2024, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        ([1, 2**70], int, "row 1 does not fit a table of int: OverflowError: 1.181e"),
        (["a", "\udc80"], str, "row 1 does not fit a table of str: UnicodeEncodeError"),
        ([Place(city="a"), 3], Place, "row 1 does not fit a table of Place: TypeError: it is a int; leave it out"),
        ([Place(city="a"), Aliased(Size=1)], Place, "row 1 does not fit a table of Place: TypeError: it is a Aliased"),
        (["a"], int, "row 0 does not fit a table of int: PydanticSerializationError"),
        (
            [Decimal(1), Decimal("NaN")],
            Decimal,
            "row 1 does not fit .* NaN does not fit a column of decimals with 38",
        ),
        ([Decimal("1E-30"), Decimal(10**30)], Decimal, "row 0 does not fit .* 1E-30 does not fit .*, 18 of them after"),
        (
            [AWARE, NAIVE],
            datetime,
            "row 1 does not fit .* has no time zone where others have one; annotate it as Aware",
        ),
        (
            [time(1, tzinfo=UTC)],
            time,
            "row 0 does not fit .* has a time zone, which a time of day can't have in Arrow",
        ),
    ],
)
def test_a_value_that_fits_no_column_is_named_by_its_row(values: list[Any], kind: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        to_frame(values, kind)


def test_a_type_without_a_form_in_arrow_is_refused() -> None:
    with pytest.raises(PromptUsageError, match="bytearray has no form in Arrow"):
        to_frame([], bytearray)


class Wordless:
    """Its schema is refused without a word."""

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> Any:
        raise NotImplementedError


def test_what_pydantic_can_not_read_is_refused_whatever_its_class_says_of_it() -> None:
    def look(at: Wordless) -> Wordless:
        return at

    with pytest.raises(PromptUsageError, match="Wordless has no form in Arrow: NotImplementedError"):
        to_frame([], Wordless)
    target = Target("look", look, (Parameter("at", Wordless, required=True),), Wordless)
    with pytest.raises(PromptUsageError, match="look: pydantic can't read a column into at: NotImplementedError"):
        Inputs(target)
    with pytest.raises(PromptUsageError, match="look: its return type has no Arrow type: NotImplementedError"):
        arrow_form(target)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_errors_that_say_nothing_arrow_can_hold_are_rows_too() -> None:
    failures: list[Result[int, Exception]] = [Failure(ValueError("\udc80")), Failure(Unspeakable())]
    assert to_frame(failures, int)["message"].to_pylist() == ["\\udc80", ""]


class Mood(Enum):
    GRIM = "grim"


class Level(IntEnum):
    ONE = 1


class Order(BaseModel):
    text: str
    count: int
    share: float
    done: bool
    day: date
    at: datetime
    due: AwareDatetime
    clock: time
    took: timedelta
    price: Decimal
    mood: Mood
    level: Level
    key: UUID
    raw: bytes
    counts: list[int | None]
    home: Place | None


ORDER = Order(
    text="a",
    count=2**53 + 1,  # float64 would lose the 1
    share=0.5,
    done=True,
    day=NAIVE.date(),
    at=NAIVE,
    due=AWARE,
    clock=time(1, 2),
    took=timedelta(days=1),
    price=Decimal("1.50"),
    mood=Mood.GRIM,
    level=Level.ONE,
    key=UUID(int=1),
    raw=b"\xff",
    counts=[2**53 + 1, None],
    home=None,
)
PLAIN = ORDER.model_dump() | {"mood": "grim", "level": 1, "key": str(UUID(int=1))}
FAILED: Result[Order, PromptError] = Failure(Truncated(max_tokens=1))


def test_every_type_is_what_it_is_in_all_three_beside_failures_and_in_an_empty_table() -> None:
    results: list[Result[Order, PromptError]] = [FAILED, Success(ORDER)]
    none: list[Result[Order, PromptError]] = []
    table = to_frame(results, Order)
    assert table.to_pylist()[1] == PLAIN | {"error": None, "message": None}
    for made in (none, [FAILED]):
        assert to_frame(made, Order, errors=True).schema == table.schema
    polars = to_frame(results, Order, to="polars")
    assert polars.to_dicts()[1] == PLAIN | {"error": None, "message": None}
    assert to_frame(none, Order, to="polars", errors=True).schema == polars.schema
    pandas = to_frame(results, Order, to="pandas")
    assert {name: str(kind) for name, kind in pandas.dtypes.items()} == {
        "text": "string",
        "count": "Int64",
        "share": "float64",
        "done": "boolean",
        "day": "date32[day][pyarrow]",
        "at": "datetime64[us]",
        "due": "datetime64[us, UTC]",
        "clock": "time64[us][pyarrow]",
        "took": "timedelta64[us]",
        "price": "decimal128(38, 18)[pyarrow]",
        "mood": "string",
        "level": "Int64",
        "key": "string",
        "raw": "binary[pyarrow]",
        "counts": "list<item: int64>[pyarrow]",
        "home": "struct<city: string>[pyarrow]",
        "error": "string",
        "message": "string",
    }
    row = pandas.iloc[1]
    assert (row["count"], row["counts"], row["price"], row["day"]) == (
        2**53 + 1,
        [2**53 + 1, None],
        ORDER.price,
        ORDER.day,
    )
    assert (to_frame(none, Order, to="pandas", errors=True).dtypes == pandas.dtypes).all()
    assert (
        "error" not in to_frame(none, Order).column_names
        and "error" not in to_frame(results, Order, errors=False).column_names
    )


def test_a_table_comes_back_from_parquet_as_it_was(tmp_path: Path) -> None:
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    table = to_frame([ORDER], Order)
    parquet.write_table(table, tmp_path / "orders.parquet")
    assert parquet.read_table(tmp_path / "orders.parquet") == table


@prompt
async def named(thing: str) -> str:
    return ask(f"Name {thing}.")


INDEXES: dict[str, Any] = {
    "filtered": pd.Index([1, 3, 4], name="id"),
    "texts": pd.Index(["x", "y", "z"]),
    "not unique": pd.Index([7, 7, 1]),
    "of several levels": pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["one", "two"]),
    "moments": pd.to_datetime(["2024-01-03", "2024-01-01", "2024-01-02"]),
    "from the middle": pd.RangeIndex(5, 8),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_results_stand_beside_the_rows_of_pandas_that_they_came_from(index: Any) -> None:
    column = pd.Series(["a", None, "c"], index=index)
    whole = column.fillna("b")
    with Runtime(ScriptedEngine(answers=echo)):
        with pytest.raises(BatchError) as failed:
            name.map(column)
        for results in (
            name.safe.map(column),
            run.safe(name, column),
            asyncio.run(named.safe.map(column)),
            failed.value.results,
        ):
            frame = to_frame(results, str, to="pandas")
            assert frame.index.equals(index) and frame.index.names == index.names
            assert list(frame["value"].isna()) == [False, True, False]
            beside = pd.concat([column.rename("given"), frame], axis=1)
            assert list(beside["given"][::2]) == list(beside["value"][::2])
            assert to_frame(results, str).column_names == ["value", "error", "message"]
        for values in (name.map(whole), run(name, whole), asyncio.run(named.map(whole))):
            assert to_frame(values, str, to="pandas")["value"].tolist() == ["a", "b", "c"]
            assert to_frame(values, str, to="pandas").index.equals(index)
            assert to_frame(values[1:], str, to="pandas").index.equals(index[1:])


def test_a_join_with_a_filtered_frame_is_right() -> None:
    frame = pd.DataFrame({"text": ["a", "b", "c", "d"], "stars": [1, 5, 1, 5]})
    angry = frame[frame.stars == 5]
    with Runtime(ScriptedEngine(answers=echo)):
        joined = angry.join(to_frame(name.safe.map(angry["text"]), str, to="pandas"))
    assert joined["value"].tolist() == ["b", "d"] and list(joined.index) == [1, 3]


def test_results_that_know_their_index_are_a_list_like_any_other() -> None:
    with Runtime(ScriptedEngine(answers=echo)):
        values = name.map(pd.Series(["b", "a"], index=[5, 6]))
    assert values == ["b", "a"] and repr(values) == "['b', 'a']" and values.index("a") == 1
    for same in (copy.copy(values), copy.deepcopy(values), pickle.loads(pickle.dumps(values)), values[:]):
        assert same == values and list(to_frame(same, str, to="pandas").index) == [5, 6]
    assert list(to_frame(values[::-1], str, to="pandas").index) == [6, 5]
    assert list(to_frame(list(values), str, to="pandas").index) == [0, 1]
    assert list(to_frame(values, str, to="pandas", index=["x", "y"]).index) == ["x", "y"]


@pytest.mark.parametrize(
    "change", ["values.sort()", "values.reverse()", "values.pop()", "values.append('c')", "values[0] = 'c'"]
)
def test_results_that_were_changed_are_not_given_an_index_that_may_be_anothers(change: str) -> None:
    with Runtime(ScriptedEngine(answers=echo)):
        values = name.map(pd.Series(["b", "a"], index=[5, 6]))
    exec(change)
    with pytest.raises(
        PromptUsageError, match=r"changed since they came, so the index .*; give it, as in index=frame.index"
    ):
        to_frame(values, str, to="pandas")
    assert to_frame(pickle.loads(pickle.dumps(values)), str, to="pandas")["value"].tolist() == values
    assert to_frame(values, str).num_rows == len(values)


def test_an_index_is_for_pandas_and_of_as_many_rows() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=[4, 5])
    assert list(to_frame([1, 2], int, to="pandas", index=frame.index).index) == [4, 5]
    with pytest.raises(PromptUsageError, match="the index is of 2 rows, and there are 3 results"):
        to_frame([1, 2, 3], int, to="pandas", index=frame.index)
    with pytest.raises(PromptUsageError, match=r"index is a whole frame; give its index, as in index=frame.index"):
        to_frame([1, 2], int, to="pandas", index=frame)
    with pytest.raises(PromptUsageError, match="index= is for to='pandas'; a table of arrow has no index"):
        to_frame([1, 2], int, index=frame.index)


@pytest.mark.parametrize(
    "given", ["abc", {"a": 1}, {"a"}, Failure(ValueError("x")), Success("a"), pd.DataFrame({"a": [1]})]
)
def test_one_value_or_a_whole_frame_is_no_list_of_results(given: Any) -> None:
    with pytest.raises(PromptUsageError, match=rf"results are a list .*, not {type(given).__name__}; give \[value\]"):
        to_frame(given, str)


@pytest.mark.parametrize("index", [False, 5, "ab", {1, 2}])
def test_what_holds_no_labels_in_order_is_no_index(index: Any) -> None:
    with pytest.raises(PromptUsageError, match=f"labels of the rows in their order, not {type(index).__name__}; give"):
        to_frame(["a", "b"], str, to="pandas", index=index)
