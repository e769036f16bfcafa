"""Records that are not as they should be: each costs itself, with its line and column, and no data becomes a row."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.commands.conftest import Command
from typefold.cli import input_records
from typefold.cli.input_records import Read, open_source
from typefold.cli.target import CommandError
from typefold.programs.record_function import BadRecord
from typefold.tables.arrow import pyarrow

pa, pq = pyarrow(), pyarrow("pyarrow.parquet")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in"


def read(path: Path, data: bytes | str) -> list[Read]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return list(open_source(str(path)))


def told(path: Path, data: bytes | str) -> list[Any]:
    """The records of a file; of those that are none, what is wrong."""
    return [str(each.record) if isinstance(each.record, BadRecord) else each.record for each in read(path, data)]


LONG = "x" * 131_073
CELL = "the cell is longer than 131,072 characters; write it as JSON lines, or let the module call csv.field_size_limit(...)"
BEHIND = "there is text behind the quote that closes it; a quote in a text is written twice"


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("1,2\n3,4", ["1,2", "3,4"]),
        ('1,"2\n3,4\n"\n5,6', ["1,2\n3,4\n", "5,6"]),
        ("1\n3,4\n", ["line 2, column 2 (b): the record ends before it, with 1 of 2 values", "3,4"]),
        (
            "1,2,3\n4,5\n",
            [
                "line 2, column 3: the record has more values than there are columns (there are 3, and the header names 2)",
                "4,5",
            ],
        ),
        (f'1,"{LONG}\nno,row\n5,4\n"\n6,7\n', [f"line 2, column 2: {CELL}", "6,7"]),
        (f'"{LONG}\nno,""row""\n","5\nno,row"\n6,7\n', [f"line 2, column 1: {CELL}", "6,7"]),
        (f"1,{LONG}\n6,7\n", [f"line 2, column 2: {CELL}", "6,7"]),
        ('1,"2"3\n6,7\n', [f"line 2, column 2: {BEHIND}", "6,7"]),
        ('"1"x,"2\nno,row\n"\n6,7\n', [f"line 2, column 1: {BEHIND}", "6,7"]),
        ('1,2\n"3,4\n5,6\n7,"8,9"\n1,1\n', ["1,2", f"line 5, column 1: {BEHIND}", "1,1"]),
        (
            '1,2\n3,"4\n5,6\n7,8\n',
            [
                "1,2",
                "line 3, column 2: the quote that opens here is never closed; all to the end of the file, 3 lines, was taken for "
                "its text",
            ],
        ),
        (
            f'1,"2\n{"no,row" * 30_000}\n' + "7,8\n" * 3,
            [
                "line 2, column 2: the quote that opens here is never closed; all to the end of the file, 5 lines, was taken for "
                "its text"
            ],
        ),
        ("1,\0\n6,7\n", ["line 2, column 2 (b): it holds a NUL byte", "6,7"]),
        ("1,2\r\n3,4\r5,6\n", ["1,2", "3,4", "5,6"]),
        ('1,5" pipe\n\n6,7\n', ['1,5" pipe', "6,7"]),
    ],
)
def test_a_broken_record_of_csv_costs_itself(path: Path, rows: str, found: list[str]) -> None:
    path = path.with_suffix(".csv")
    records = told(path, f"a,b\n{rows}")
    assert [each if isinstance(each, str) else ",".join(each.values()) for each in records] == found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(*[st.text(st.sampled_from(',"\n\rxy é'), max_size=9)] * 3), max_size=9),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_csv_writes_is_read_as_it_was_with_its_lines(path: Path, rows: list[tuple[str, ...]], end: str) -> None:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *rows])
    records = read(path.with_suffix(".csv"), written.getvalue())
    assert [each.record for each in records] == [dict(zip("abc", row, strict=True)) for row in rows]
    lines = written.getvalue().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for each, row in zip(records, rows, strict=True):
        first = row[0].replace("\r\n", "\n").replace("\r", "\n").split("\n")[0].replace('"', '""')
        assert each.line is not None and lines[each.line - 1].lstrip('"').startswith(first.lstrip('"'))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(st.sampled_from('ab,"\n\r\0x'), max_size=40))
def test_no_text_ends_the_reading_of_csv(path: Path, text: str) -> None:
    last = read(path.with_suffix(".csv"), f"a,b\n{text}\nz,z\n")[-1]
    closed = isinstance(last.record, dict) or "never closed" in str(last.record) or '"' in text
    assert closed


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("a,b,a\n", "line 1, column 3 is named 'a', as column 1 is; rename one"),
        ("\n\na,,\n", "line 3, column 3 is named '', as column 2 is; rename one"),
        ("\ufeffa,a\n", "line 1, column 2 is named 'a', as column 1 is; rename one"),
        ('"a"b\n', f"its first line is no CSV: line 1, column 1: {BEHIND}"),
        ('a,"b\n1,2\n', "its first line is no CSV: line 1, column 2: the quote that opens here is never closed"),
        ("a,\0\n", "its first line, which names the columns, holds a NUL byte; save it as UTF-8"),
        (b"\xff\xfea\0\n\0", "its first line, which names the columns, is not UTF-8"),
    ],
)
def test_a_header_that_names_no_columns_is_said_before_anything_runs(
    path: Path, header: str | bytes, says: str
) -> None:
    with pytest.raises(CommandError) as caught:
        read(path.with_suffix(".csv"), header)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": 1, "b": 2, "a": 3}', 'line 1, column 18: the object names "a" a second time'),
        ('{"a": {"a": [{"x": 1}, {"\\u0078": 1, "x": 2}]}}', 'line 1, column 38: the object names "x" a second time'),
        ('{"a": "{\\"a\\": 1, ", "b": {"a": 1}, "a": 3}', 'line 1, column 37: the object names "a" a second time'),
        ('{"a": 1', "line 1 is no JSON: Expecting ',' delimiter at column 8"),
        ('{"a": "\0"}', "line 1 is no JSON: Invalid control character at at column 8"),
        (
            '{"a": ' + "9" * 5000 + "}",
            "line 1 is no JSON: Exceeds the limit (4300 digits) for integer string conversion",
        ),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "line 1, column 206: it is nested more than 200 levels deep"),
        ('{"a": ' + "[" * 100_000, "line 1 is no JSON: it is nested too deep"),
        ("[1]", "line 1 is no JSON object"),
    ],
)
def test_a_broken_line_of_json_costs_itself(path: Path, line: str, says: str) -> None:
    first, second = told(path.with_suffix(".jsonl"), f'{line}\n{{"a": 1}}\n')
    assert (first[: len(says)], second) == (says, {"a": 1})


def test_json_that_is_odd_and_right_is_read(path: Path) -> None:
    deep = '{"a": ' + "[" * 199 + "]" * 199 + "}"
    text = f'\ufeff{{"a": "[[{{"}}\n{deep}\n\n{{"a": "\\u0000\\ud800"}}\n{{"a": NaN}}'
    first, second, third, fourth = read(path.with_suffix(".jsonl"), text)
    assert (first, second.line, third) == ((1, {"a": "[[{"}), 2, (4, {"a": "\0\ud800"}))
    assert isinstance(fourth.record, dict) and math.isnan(fourth.record["a"])


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_line_without_an_end_is_not_read_into_memory(
    path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_records, "LONGEST", 1000)
    good = '{"a": "1"}' if ending == ".jsonl" else '"1"'
    long = f'"{"x" * 5000}\n' + ("x" * 1500 + "\n" if ending == ".jsonl" else f'no row\n{"x" * 1500}"\n')
    read_so = told(path.with_suffix(ending), ("" if ending == ".jsonl" else "a\n") + f"{good}\n{long}{good}\n")
    assert (read_so[0], read_so[-1]) == ({"a": "1"}, {"a": "1"})
    assert all("is longer than 1,000" in each for each in read_so[1:-1]) and len(read_so) == (
        4 if ending == ".jsonl" else 3
    )


# --- Parquet ---------------------------------------------------------------------------------------------------------


def test_columns_and_fields_of_parquet_that_share_a_name_are_said(path: Path) -> None:
    path = path.with_suffix(".parquet")
    ints = pa.array([1])
    inner = pa.StructArray.from_arrays([ints, ints], names=["x", "x"])
    for table, says in (
        (pa.table([ints, ints], names=["a", "a"]), "column 1 and a later one are both named a; rename one"),
        (pa.table({"s": pa.array([[{"x": 1}]])}), None),
        (pa.table({"s": inner}), "in s, field 1 and a later one are both named x; rename one"),
    ):
        pq.write_table(table, path)
        if says is None:
            assert [each.record for each in open_source(str(path))] == [{"s": [{"x": 1}]}]
            continue
        with pytest.raises(CommandError) as caught:
            open_source(str(path))
        assert str(caught.value).endswith(says)


def test_a_value_of_parquet_that_python_has_none_for_costs_its_row(path: Path) -> None:
    path = path.with_suffix(".parquet")
    days = pa.array([0, 10_000_000, 1], pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"a": [1, 2, 3], "day": days}), path)
    first, second, third = told(path, path.read_bytes())
    assert (first["a"], third["a"]) == (1, 3)
    assert second.startswith("column 2 (day): Python has no value for it: ")


def test_a_parquet_file_that_is_damaged_further_on_ends_the_command(folder: Path, command: Command) -> None:
    words = [f"{row} {row * 7919 % 1009}" for row in range(5000)]
    pq.write_table(pa.table({"text": words}), folder / "in.parquet", row_group_size=2500, compression="snappy")
    data = bytearray((folder / "in.parquet").read_bytes())
    offset = pq.ParquetFile(folder / "in.parquet").metadata.row_group(1).column(0).data_page_offset
    data[offset : offset + 100] = b"\xff" * 100
    (folder / "in.parquet").write_bytes(data)
    done = command("run", "tickets:classify", "-i", "in.parquet", "-o", "out.jsonl")
    assert (done.exit_code, "in.parquet is damaged after row " in done.stderr) == (2, True), done.output
    assert not list(folder.glob("out*"))


# --- what can be read and not written --------------------------------------------------------------------------------

ODD = """
import tickets
from typing import Any

class Mute:
    def __str__(self) -> str:
        raise KeyError("mute")

def odd(number: int, extra: Any = None) -> Any:
    if number == 0:
        extra.append(extra)
        raise ValueError("a cycle in the record")
    if number == 1:
        extra.append(extra)
    if number == 2:
        return 10 ** 5000
    if number == 3:
        return Mute()
    if number == 4:
        value = []
        for _ in range(100_000):
            value = [value]
        return value
    if number == 5:
        return {"number": float("nan"), "at": [number]} if extra is None else extra.missing
    if number == 6:
        return "\\ud800"
    return number
"""


@pytest.mark.parametrize("output", ["out.jsonl", "out.parquet"])
def test_what_can_be_read_and_not_written_costs_its_row(folder: Path, command: Command, output: str) -> None:
    hint = "Any" if output == "out.jsonl" else "str"
    (folder / "typefold_odd.py").write_text(ODD.replace("-> Any:", f"-> {hint}:"), encoding="utf-8")
    if output == "out.jsonl":
        (folder / "in.jsonl").write_text("".join(f'{{"number": {row}, "extra": []}}\n' for row in range(9)))
        kept, failed = [6, 7, 8], [0, 1, 2, 3, 4, 5]
    else:
        pq.write_table(pa.table({"number": [*range(2, 9)]}), folder / "in.parquet")
        kept, failed = [5, 7, 8], [2, 3, 4, 6]
    sys.modules.pop("typefold_odd", None)
    done = command(
        "run", "typefold_odd.py:odd", "-i", "in.jsonl" if output == "out.jsonl" else "in.parquet", "-o", output
    )
    lines = [json.loads(line) for line in (folder / "out.failures.jsonl").read_bytes().splitlines()]
    assert (done.exit_code, [each["row"] + (output != "out.jsonl") * 2 for each in lines]) == (1, failed), done.output
    if output == "out.jsonl":
        assert [json.loads(line)["number"] for line in (folder / output).read_bytes().splitlines()] == kept
        message = "a cycle in the record (the record can't be written as JSON)"
        assert (lines[0]["message"], lines[0]["record"]) == (message, None)
    else:
        assert pq.read_table(folder / output).column("number").to_pylist() == kept
