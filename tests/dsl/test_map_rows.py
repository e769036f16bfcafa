"""Columns go to the parameters of their names, out of mappings and tables of every library."""

import asyncio
import re
from collections import UserDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, field_validator
from returns.result import Success

from typefold import BadInput, BatchError, PromptUsageError, Runtime, ask, prompt, run, to_frame
from typefold.runtime.engines.scripted import ScriptedEngine

pd: Any = pytest.importorskip("pandas")
pl: Any = pytest.importorskip("polars")
arrow: Any = pytest.importorskip("pyarrow")
datasets: Any = pytest.importorskip("pyarrow.dataset")
parquet: Any = pytest.importorskip("pyarrow.parquet")
duckdb: Any = pytest.importorskip("duckdb")


@prompt(max_tokens=30)
def tag(text: str, stars: int = 3) -> str:
    return ask(f"{stars}: {text}")


@prompt(max_tokens=30)
async def later(text: str, stars: int = 3) -> str:
    return ask(f"{stars}: {text}")


def program(stars: int, text: str) -> str:
    return tag(text, stars)


async def slow(text: str, stars: int) -> str:
    return await later(text, stars)


class Review(BaseModel):
    text: str
    stars: int
    day: date | None = None


@prompt(max_tokens=30)
def read(review: Review) -> str:
    return ask(f"{review.stars}: {review.text}")


def echo(request: Any) -> str:
    return str(request.prompt[-1].content)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime(ScriptedEngine(answers=echo)) as runtime:
        yield runtime


COLUMNS = {"id": [1, 2, 3], "text": ["a", "b", "c"], "stars": [4, 5, 6]}
RECORDS = [{"id": row, "text": text, "stars": stars} for row, text, stars in zip(*COLUMNS.values(), strict=True)]
EXPECTED = ["4: a", "5: b", "6: c"]


def in_a_file(path: Path) -> Any:
    parquet.write_table(arrow.table(COLUMNS), path / "rows.parquet", row_group_size=2)
    return datasets.dataset(path / "rows.parquet")


TABLES: dict[str, Callable[[Path], Any]] = {
    "mappings": lambda path: RECORDS,
    "an iterator": lambda path: iter(RECORDS),
    "rows of pandas": lambda path: [row for _, row in pd.DataFrame(COLUMNS).iterrows()],
    "pandas": lambda path: pd.DataFrame(COLUMNS),
    "pandas, of Arrow": lambda path: pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, other names too": lambda path: pd.DataFrame(COLUMNS).assign(**{"7": 0}).rename(columns={"7": 7}),
    "polars": lambda path: pl.DataFrame(COLUMNS),
    "arrow": lambda path: arrow.table(COLUMNS),
    "arrow, chunked": lambda path: arrow.concat_tables([arrow.table(COLUMNS)[:1], arrow.table(COLUMNS)[1:]]),
    "a batch": lambda path: arrow.record_batch(COLUMNS),
    "a stream": lambda path: arrow.table(COLUMNS).to_reader(max_chunksize=2),
    "a dataset": in_a_file,
    "duckdb": lambda path: duckdb.sql(
        "select * from (values (1, 'a', 4), (2, 'b', 5), (3, 'c', 6)) as t(id, text, stars)"
    ),
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_columns_go_to_the_parameters_of_their_names(
    make: Callable[[Path], Any], tmp_path: Path, runtime: Runtime
) -> None:
    assert tag.map_rows(make(tmp_path)) == EXPECTED
    assert tag.safe.map_rows(make(tmp_path)) == list(map(Success, EXPECTED))
    assert run.map_rows(program, make(tmp_path)) == EXPECTED
    assert tag.map_rows(make(tmp_path), stars=9) == ["9: a", "9: b", "9: c"]


@pytest.mark.parametrize("make", [TABLES["mappings"], TABLES["pandas"]])
def test_every_kind_of_prompt_has_it(make: Callable[[Any], Any], runtime: Runtime) -> None:
    rows = make(None)
    assert tag.sample(2).map_rows(rows) == [[each, each] for each in EXPECTED]
    assert tag.sample(2).safe.map_rows(rows) == [[Success(each)] * 2 for each in EXPECTED]
    assert run.map_rows(slow, rows) == run.map_rows(later, rows) == run.map_rows(tag, rows) == EXPECTED

    async def awaited() -> None:
        assert await later.map_rows(rows) == EXPECTED
        assert await later.safe.map_rows(rows) == list(map(Success, EXPECTED))
        assert await later.sample(2).map_rows(rows) == [[each, each] for each in EXPECTED]
        assert await later.sample(2).safe.map_rows(rows, stars=1) == [[Success(f"1: {each}")] * 2 for each in "abc"]

    asyncio.run(awaited())


class Desk:
    @prompt(max_tokens=30)
    def tag(self, text: str) -> str:
        return ask(text)


def test_a_method_takes_its_instance_and_the_columns(runtime: Runtime) -> None:
    assert Desk().tag.map_rows(RECORDS) == run.map_rows(Desk().tag, RECORDS) == ["a", "b", "c"]


def mappings(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, arrow.table, mappings])
def test_a_missing_cell_costs_its_row_and_one_of_another_type_too(make: Callable[..., Any], runtime: Runtime) -> None:
    rows = make({"text": ["a", None, "c"], "stars": ["4", "5", "6"]})
    with pytest.raises(BatchError) as failed:
        run.map_rows(one, rows)
    for results in (tag.safe.map_rows(rows, stars=1), failed.value.results):
        assert [isinstance(each, Success) for each in results] == [True, False, True]
        error = results[1].failure()
        assert isinstance(error, BadInput) and error.row == 1
        assert "text is None, and the parameter takes str; fill or drop such rows" in str(error)
    wrong = tag.safe.map_rows(rows)[0].failure()
    assert "stars takes int, not str ('4'); write int(...)" in str(wrong)


def one(text: str) -> str:
    return text


def test_cells_are_plain_python_values_and_one_that_is_none_costs_its_row(runtime: Runtime) -> None:
    seen: list[Any] = []

    def look(at: Any) -> None:
        seen.append(at)

    run.map_rows(look, pd.DataFrame({"at": [1, 2]}))
    run.map_rows(look, pd.DataFrame({"at": pd.Series([1.5, None])}))
    run.map_rows(look, pd.DataFrame({"at": [pd.Timestamp("2024-01-02")]}))
    assert [(type(each).__name__, each) for each in seen][:4] == [
        ("int", 1),
        ("int", 2),
        ("float", 1.5),
        ("NoneType", None),
    ]
    assert type(seen[4]).__name__ == "datetime"
    beyond = arrow.table({"at": arrow.array([1, 10**17, 1], arrow.timestamp("s"))})
    with pytest.raises(BatchError, match=r"look, row 1: .*the column's value here has no Python form"):
        run.map_rows(look, beyond)


def test_a_function_of_one_parameter_with_fields_takes_the_whole_row(runtime: Runtime) -> None:
    @dataclass
    class Pair:
        text: str
        stars: int

    def pair(row: Pair) -> str:
        return f"{row.stars}: {row.text}"

    for rows in (RECORDS, pd.DataFrame(COLUMNS), arrow.table(COLUMNS)):
        assert read.map_rows(rows) == EXPECTED == run.map_rows(pair, rows)
    ready: list[dict[str, object]] = [{"review": Review(text="a", stars=1)}, {"review": {"text": "a", "stars": 1}}]
    first, second = read.safe.map_rows(ready)  # a column of the parameter's name goes to it as it is
    assert first == Success("1: a")
    assert "review takes Review, not dict; write Review.model_validate(...)" in str(second.failure())
    assert "review: stars: Input should be a valid integer" in str(
        read.safe.map_rows([{"text": "a", "stars": "x"}])[0].failure()
    )


def test_results_know_the_index_of_their_frame(runtime: Runtime) -> None:
    frame = pd.DataFrame(COLUMNS)[1:]
    joined = frame.join(to_frame(tag.safe.map_rows(frame), str, to="pandas"))
    assert joined["value"].tolist() == ["5: b", "6: c"]
    assert list(to_frame(run.map_rows(program, frame), str, to="pandas").index) == [1, 2]


NO_ROWS: list[tuple[Any, str]] = [
    ([("a", 1)], "a row of map_rows is a mapping, or a table's, not tuple; .* to starmap"),
    (["a"], "a row of map_rows is a mapping, or a table's, not str"),
    ({"text": ["a"]}, r"rows can't be taken from a dict, whose keys would be the rows; give \[row\]$"),
    ("a", r"rows can't be taken from a str, which is one value; give \[value\]"),
    (pd.Series(["a"]), "map_rows takes rows with named columns, and this is one column; give it to map"),
    (pl.Series(["a"]), "and this is one column; give it to map"),
    (pl.LazyFrame({"text": ["a"]}), r"from a LazyFrame, which holds none yet; give frame.collect\(\)"),
    (
        pd.DataFrame({"Text": ["a"]}),
        r"has no column text; it has Text; rename a column",
    ),
    (arrow.table({}), "has no column text; it has none"),
    (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "the table has several columns text; rename all but one"),
]


@pytest.mark.parametrize(("rows", "words"), NO_ROWS, ids=lambda each: type(each).__name__)
def test_what_holds_no_arguments_by_name_is_refused(rows: Any, words: str, engine: ScriptedEngine) -> None:
    with Runtime(engine):
        for verb in (tag.map_rows, tag.safe.map_rows, tag.sample(2).map_rows):
            with pytest.raises(PromptUsageError, match=words):
                verb(rows)
        with pytest.raises(PromptUsageError, match=words):
            run.map_rows(one, rows)
    assert not engine.requests


def test_where_constants_are_taken_a_missing_column_may_be_one() -> None:
    rows = pd.DataFrame({"words": ["a"]})
    with pytest.raises(
        PromptUsageError, match=r"rename a column, or give one value for all rows, as in map_rows\(rows, text=...\)$"
    ):
        tag.map_rows(rows)
    with pytest.raises(PromptUsageError, match=r"one: the table has no column text; it has words; rename a column$"):
        run.map_rows(one, rows)


def test_one_mapping_that_lacks_a_value_costs_its_row(runtime: Runtime) -> None:
    class Broken(UserDict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise OSError("gone")

    rows: list[Any] = [{"text": "a"}, {"words": "b", 3: 4}, 5, Broken(text=1), {"text": "e"}]
    first, lacks, none, broken, last = tag.safe.map_rows(rows)
    assert (first, last) == (Success("3: a"), Success("3: e"))
    assert "text: there is no value; the row has words, 3" in str(lacks.failure())
    assert "a row of map_rows is a mapping, or a table's, not int" in str(none.failure())
    assert "the row can't be read (OSError: gone)" in str(broken.failure())


@pytest.mark.parametrize("name", ["Stars", " stars", "stars\n", "\ufeffSTARS"])
def test_a_column_with_almost_the_name_of_a_parameter_does_not_leave_it_at_its_default(
    name: str, runtime: Runtime
) -> None:
    row = {"text": "a", name: 4}
    said = re.escape(f"the column {name!r} is not 'stars'; rename it")
    with pytest.raises(PromptUsageError, match=f"^tag: {said}$"):
        tag.map_rows(arrow.Table.from_pylist([row]))
    [failed] = tag.safe.map_rows([row])
    assert re.search(said, str(failed.failure()))
    assert tag.map_rows([row], stars=9) == ["9: a"]
    assert tag.map_rows([row | {"stars": 5}]) == ["5: a"]


def test_a_constant_is_for_a_parameter_by_name(runtime: Runtime) -> None:
    with pytest.raises(PromptUsageError, match=r"tag has no parameter mood; it has text, stars$"):
        tag.map_rows(RECORDS, mood="grim")
    with pytest.raises(
        PromptUsageError, match=r"it has text, stars; seed is an option, so write .using\(seed=...\) before"
    ):
        tag.map_rows(RECORDS, seed=3)

    def first(text: str, /) -> str:
        return text

    with pytest.raises(PromptUsageError, match="first: text takes no argument by name"):
        run.map_rows(first, RECORDS)


def test_rows_are_taken_as_there_is_room_for_them() -> None:
    taken = answered = most = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for number in range(200):
            taken += 1
            yield {"text": str(number)}

    def answer(request: Any) -> str:
        nonlocal most, answered
        answered += 1
        most = max(most, taken - answered)
        return "x"

    with Runtime(ScriptedEngine(answers=answer, max_num_seqs=2)):
        assert len(tag.map_rows(rows())) == 200
    assert most < 50


def test_a_function_that_takes_any_name_gets_every_column(runtime: Runtime) -> None:
    @prompt(max_tokens=30)
    def fill(text: str, **more: Any) -> str:
        return ask(f"{text} {more}")

    rows = [{"text": "a", "stars": 1}]
    for given in (rows, pd.DataFrame(rows), pl.DataFrame(rows)):
        assert fill.map_rows(given) == ["a {'stars': 1}"]
    assert fill.map_rows(rows, mood="grim") == ["a {'stars': 1, 'mood': 'grim'}"]


def test_records_of_numpy_are_rows_with_names(runtime: Runtime) -> None:
    frame = pd.DataFrame(COLUMNS)
    assert tag.map_rows(frame.to_records(index=False)) == EXPECTED
    assert tag.map_rows(np.array([("a", 4)], dtype=[("text", "U9"), ("stars", "i8")])) == ["4: a"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Review(text="a", stars=1), r"not Review; give row.model_dump\(\), or the rows to map, or rows in"),
        (next(pd.DataFrame(RECORDS).itertuples()), r"not Pandas; give row._asdict\(\), or rows in the order"),
    ],
)
def test_a_row_with_names_that_is_no_mapping_is_told_how_to_become_one(row: Any, words: str) -> None:
    with pytest.raises(PromptUsageError, match=words):
        tag.map_rows([row])


def test_an_error_of_a_validator_costs_its_row_in_tables_too(runtime: Runtime) -> None:
    class Picky(BaseModel):
        text: str

        @field_validator("text")
        @classmethod
        def known(cls, text: str) -> str:
            return {"a": "A"}[text]

    def shout(row: Picky) -> str:
        return row.text

    rows = [{"text": "a"}, {"text": "b"}]
    for given in (rows, pd.DataFrame(rows)):
        with pytest.raises(BatchError) as failed:
            run.map_rows(shout, given)
        first, second = failed.value.results
        assert first == Success("A") and "row: KeyError: 'b'" in str(second.failure())


def test_rows_of_which_nothing_is_a_parameter_s_are_not_asked_with_defaults_alone(runtime: Runtime) -> None:
    @prompt(max_tokens=30)
    def maybe(text: str = "none", mood: str = "calm") -> str:
        return ask(f"{text}, {mood}")

    @prompt(max_tokens=30)
    def judge(review: Review | None = None) -> str:
        return ask("none" if review is None else review.text)

    with pytest.raises(PromptUsageError, match="maybe: the table has no column text; it has body; rename a column, or"):
        maybe.map_rows(pd.DataFrame({"body": ["a"]}))
    first, second, third = maybe.safe.map_rows([{"body": "a"}, {}, {"mood": "grim"}])
    assert "text: there is no value; the row has body" in str(first.failure())
    assert (second, third) == (Success("none, calm"), Success("none, grim"))
    assert maybe.map_rows([{"body": "a"}], text="b") == maybe.map_rows(pd.DataFrame({"body": ["a"]}), text="b")
    assert judge.map_rows(RECORDS) == judge.map_rows(pd.DataFrame(COLUMNS)) == ["a", "b", "c"]


def test_a_type_of_the_function_around_a_prompt_takes_the_whole_row_in_run_too(runtime: Runtime) -> None:
    @dataclass
    class Note:
        text: str

    @prompt(max_tokens=30)
    def copy(note: "Note") -> str:
        return ask(note.text)

    assert copy.map_rows(RECORDS) == run.map_rows(copy, RECORDS) == ["a", "b", "c"]
