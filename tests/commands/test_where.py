"""`--where` and what waits for its turn; memory is bounded by the rows in flight."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Command
from typefold.cli.run_command import Condition, Waiting
from typefold.cli.target import CommandError
from typefold.tables.arrow import pyarrow

pa, pq = pyarrow(), pyarrow("pyarrow.parquet")

RUN = ["run", "tickets:classify", "-o", "out.jsonl", "-i"]


def taken(folder: Path, column: str = "text") -> list[Any]:
    return [json.loads(line)[column] for line in (folder / "out.jsonl").read_bytes().splitlines()]


def messages(folder: Path) -> list[str]:
    return [json.loads(line)["message"] for line in (folder / "out.failures.jsonl").read_bytes().splitlines()]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("stars == 3", ["b", "d"]),  # the empty cell is the default
        ("stars < 3", ["a"]),
        ("stars > 3", ["c"]),
        ("year == '2024'", ["a", "c", "d"]),  # no parameter: as the file has it
        ("year == 2024", []),
        ("self == 'x'", ["a", "d"]),
        ("self == 'y' and result == 'z'", ["b"]),
        ("range == 'r' and text in ['a', 'b']", ["a"]),
    ],
)
def test_a_condition_sees_parameters_as_the_function_gets_them(
    folder: Path, command: Command, where: str, rows: list[str]
) -> None:
    text = "text,stars,year,self,result,range\na,1,2024,x,,r\nb,3,2025,y,z,\nc,5,2024,z,,\nd,,2024,x,,\n"
    (folder / "in.csv").write_text(text, encoding="utf-8")
    done = command(*RUN, "in.csv", "--where", where, "--column", "label")
    assert (done.exit_code, taken(folder)) == (0, rows), done.output


def test_a_condition_sees_the_fields_of_a_parameter_that_takes_the_record(folder: Path, command: Command) -> None:
    (folder / "in.csv").write_text("text,stars\na,1\nb,5\n", encoding="utf-8")
    for where in ("stars > 3", "ticket.stars > 3"):
        done = command(
            "run", "tickets:summary", "-i", "in.csv", "-o", "out.jsonl", "--where", where, "--set", "tags=[]"
        )
        assert (done.exit_code, taken(folder)) == (0, ["b"]), done.output


def test_a_condition_sees_the_column_and_not_what_stands_in_for_it(folder: Path, command: Command) -> None:
    (folder / "in.csv").write_text("text,stars\na,1\nb,two\nc,2\n", encoding="utf-8")
    done = command(*RUN, "in.csv", "--where", "stars == 2 or stars == 'two'", "--set", "stars=4")
    assert (done.exit_code, taken(folder)) == (0, ["b", "c"]), done.output
    (folder / "in.csv").write_text("text\na\n", encoding="utf-8")
    done = command(*RUN, "in.csv", "--where", "stars == 4", "--set", "stars=4")
    assert (done.exit_code, taken(folder)) == (0, ["a"]), done.output


def test_a_record_that_is_left_out_need_not_fit(folder: Path, command: Command) -> None:
    (folder / "in.jsonl").write_text(
        '{"text": "a", "kept": 1}\n{"text": 5, "kept": 0}\n{"kept": 1}\n', encoding="utf-8"
    )
    done = command(*RUN, "in.jsonl", "--where", "kept")
    assert (done.exit_code, taken(folder), messages(folder)) == (1, ["a"], ["text: there is no value"])


def test_a_condition_that_fails_for_a_record_costs_that_record(folder: Path, command: Command) -> None:
    (folder / "in.jsonl").write_text(
        '{"text": "a", "n": 1}\n{"text": "b", "n": "x"}\n{"text": "c"}\n', encoding="utf-8"
    )
    done = command(*RUN, "in.jsonl", "--where", "n < 2")
    assert (done.exit_code, taken(folder)) == (1, ["a"])
    first, second = messages(folder)
    assert first == "--where 'n < 2': '<' not supported between instances of 'str' and 'int'"
    assert second == "--where 'n < 2': 'n' is undefined"


@pytest.mark.parametrize(
    ("name", "where", "says"),
    [
        (
            "in.jsonl",
            "text < 2",
            "'<' not supported between instances of 'str' and 'int'; it fails for every record (2), so ",
        ),
        ("in.jsonl", "txet == 'a'", "no record has txet"),
        ("in.csv", "txet == 'a'", "there is no column txet; did you mean text?"),
        ("in.csv", "other == 'a'", "there is no column other; there are text, year, text, stars"),
        ("in.csv", "year > 2000", "it fails for every record (2), so nothing was run"),
        ("in.csv", "text text", "there is more after the end of the expression"),
        ("in.csv", "text(", "--where 'text('"),
        ("in.csv", "(" * 3000, "maximum recursion depth exceeded"),
    ],
)
def test_a_condition_that_can_t_be_used_ends_the_command(
    folder: Path, command: Command, name: str, where: str, says: str
) -> None:
    (folder / "out.jsonl").write_text("old\n", encoding="utf-8")
    (folder / "in.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n', encoding="utf-8")
    (folder / "in.csv").write_text("text,year\na,2001\nb,2002\n", encoding="utf-8")
    done = command(*RUN, name, "--where", where)
    assert (done.exit_code, says in done.stderr) == (2, True), done.output
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == "old\n"
    assert "typefold: what failed until then" not in done.stderr or "fails for every" in done.stderr


def test_a_condition_of_parquet_sees_its_types(folder: Path, command: Command) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "n": [1, 2]}), folder / "in.parquet")
    assert command(*RUN, "in.parquet", "--where", "n == 2").exit_code == 0
    assert taken(folder) == ["b"]


@pytest.mark.parametrize(
    "where", ["tags.append('x') or true", "more.update({'x': 1}) or true", "more.list.clear() or 1"]
)
def test_a_condition_changes_nothing_of_a_record(folder: Path, command: Command, where: str) -> None:
    (folder / "in.jsonl").write_text('{"text": "a", "tags": [1], "more": {"list": [2]}}\n', encoding="utf-8")
    done = command(*RUN, "in.jsonl", "--where", where)
    assert (done.exit_code, "it fails for every record" in done.stderr) == (2, True), done.output
    [failed] = (folder / "out.failures.jsonl.typefold-part").read_bytes().splitlines()
    assert json.loads(failed)["record"] == {"text": "a", "tags": [1], "more": {"list": [2]}}


def test_a_condition_reaches_nothing_but_its_record() -> None:
    from typefold.programs.record_function import BadRecord

    for expression in ("text.__class__.__mro__", "''.__class__", "range(10 ** 9) | list"):
        with pytest.raises(BadRecord):
            assert not Condition(expression).holds({"text": "a"})
            raise BadRecord  # what is unsafe is undefined, which holds of nothing


# --- what waits ------------------------------------------------------------------------------------------------------


def test_what_waits_for_its_turn_is_in_memory_up_to_a_limit_and_then_on_the_disk() -> None:
    with Waiting[str](in_memory=1000) as waiting:
        late = "x" * 100
        for number in range(1, 3000):
            assert not list(waiting.due(number, f"{number}{late}"))
        assert waiting._size <= 1000 and len(waiting._held) < 10  # pyright: ignore[reportPrivateUsage]  # what the test is about
        assert list(waiting.due(0, "first")) == ["first", *(f"{number}{late}" for number in range(1, 3000))]
        assert list(waiting.due(3001, "b")) == []
        assert list(waiting.due(3003, "d")) == []
        assert list(waiting.rest()) == ["b", "d"]


def test_a_temporary_folder_that_is_full_is_said() -> None:
    with Waiting[bytes](in_memory=0) as waiting:
        assert list(waiting.due(1, b"x" * 1000)) == []
        assert waiting._disk is not None  # pyright: ignore[reportPrivateUsage]  # to fill it
        waiting._disk.execute("PRAGMA max_page_count = 8")  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(
            CommandError, match=r"can't be kept in the temporary folder \(database or disk is full\); make room"
        ):
            for number in range(2, 99):
                list(waiting.due(number, b"x" * 1000))
        assert list(waiting.due(0, b"first"))[:2] == [b"first", b"x" * 1000]


PROGRAM = """
import tickets
from typefold import ask, configure, prompt
from typefold.runtime.engines.scripted import ScriptedEngine

configure(ScriptedEngine(lambda request: "x", max_num_seqs=4), journal="run.db")

@prompt(temperature=0)
def say(text: str) -> str:
    return ask(text)
"""


def test_an_input_is_resumed_without_being_read_into_memory(folder: Path, command: Command) -> None:
    rows, size = 600, 20_000
    (folder / "say.py").write_text(PROGRAM, encoding="utf-8")
    with open(folder / "in.csv", "w", encoding="utf-8") as file:
        file.write("text,rest\n")
        file.writelines(f"{row},{'r' * size}\n" for row in range(rows))
    arguments = ["run", "say.py:say", "-i", "in.csv", "-o", "out.jsonl"]
    assert command(*arguments).exit_code == 0
    peaks = list[int]()
    for limit in (rows // 2, rows):
        tracemalloc.start()
        done = command(*arguments, "--limit", str(limit))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert f"{limit:,} answers from the journal" in done.stderr
    assert peaks[1] < 1.2 * peaks[0] and peaks[1] < rows * size / 3
