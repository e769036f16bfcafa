"""Files of `typefold run` that are not as they should be, or must not be touched."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Command
from typefold import configure
from typefold.cli import input_records
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.tables.arrow import pyarrow

pa, pq = pyarrow(), pyarrow("pyarrow.parquet")

PROGRAM = """
from typing import Annotated, Any
from pydantic import Field

def double(number: int) -> int:
    return number * 2

def root(number: float) -> float:
    return float(number) if number < 9 else float("nan")

def text(text: Annotated[str, Field(max_length=9)]) -> str:
    return repr(text)

def maybe(text: str | None, number: int | None) -> str:
    return repr((text, number))

def by_default(text: str | None = "d", number: int | None = 3, plain: str = "p", untyped="u") -> str:
    return repr((text, number, plain, untyped))

def filled(text: Annotated[str, Field(min_length=1)]) -> str:
    return text

def stop(number: int) -> int:
    raise KeyboardInterrupt
"""


@pytest.fixture(autouse=True)
def program(folder: Path) -> None:
    (folder / "typefold_files_program.py").write_text(PROGRAM, encoding="utf-8")
    sys.modules.pop("typefold_files_program", None)
    configure(ScriptedEngine())  # `folder` takes it back


def run_of(function: str) -> list[str]:
    return ["run", f"typefold_files_program.py:{function}"]


def lines(path: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_bytes().splitlines()]


def messages(folder: Path) -> list[str]:
    return [each["message"] for each in lines(folder / "out.failures.jsonl")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-i", "x.failures.jsonl", "-o", "x.jsonl"], "--failures and --input are one file"),
        (["-i", "x.failures.jsonl", "-o", "x.failures.jsonl"], "--output and --input are one file"),
        (["-i", "x.failures.jsonl", "-o", "./y/../x.failures.jsonl"], "--output and --input are one file"),
        (["-i", "link.jsonl", "-o", "x.jsonl"], "--failures and --input are one file"),
        (["-i", "hard.jsonl", "-o", "x.jsonl"], "--failures and --input are one file"),
        (["-i", "-", "-o", "a.jsonl", "--failures", "a.jsonl"], "--failures and --output are one file"),
        (["-i", "-", "-o", "a.jsonl", "--failures", "run.db", "--journal", "run.db"], "--journal and --failures are"),
    ],
)
def test_what_is_read_is_never_written_to(folder: Path, command: Command, arguments: list[str], says: str) -> None:
    (folder / "y").mkdir()
    (folder / "x.failures.jsonl").write_text('{"number": 1}\n', encoding="utf-8")
    (folder / "link.jsonl").symlink_to("x.failures.jsonl")
    os.link(folder / "x.failures.jsonl", folder / "hard.jsonl")
    before = sorted(folder.iterdir())
    done = command(*run_of("double"), *arguments, stdin='{"number": 1}\n')
    assert (done.exit_code, says in done.stderr) == (2, True), done.output
    assert (folder / "x.failures.jsonl").read_text(encoding="utf-8") == '{"number": 1}\n'
    assert [path for path in sorted(folder.iterdir()) if path.name != "__pycache__"] == before


def test_failures_that_can_t_be_removed_are_said(folder: Path, command: Command) -> None:
    (folder / "there").mkdir()
    done = command(*run_of("double"), "-i", "-", "-o", "out.jsonl", "--failures", "there", stdin='{"number": 1}\n')
    assert (done.exit_code, done.stderr.startswith("typefold: there can't be written")) == (2, True), done.output
    assert not (folder / "out.jsonl.typefold-part").exists()


BAD_LINES = b'\xef\xbb\xbf{"number": 1}\r\n{"number": "\xff"}\n{"number": 2}\n' + b"[" * 100_000 + b"\n"


@pytest.mark.parametrize("source", ["in.jsonl", "-"])
def test_a_line_that_is_not_utf_8_is_one_bad_record(folder: Path, command: Command, source: str) -> None:
    (folder / "in.jsonl").write_bytes(BAD_LINES)
    done = command(*run_of("double"), "-i", source, "-o", "out.jsonl", stdin=BAD_LINES)
    assert done.exit_code == 1, done.output
    assert lines(folder / "out.jsonl") == [{"number": 1, "result": 2}, {"number": 2, "result": 4}]
    first, second = messages(folder)
    assert first.startswith("line 2 is not UTF-8: ")
    assert second.startswith("line 4 is no JSON: ")
    assert not (folder / "out.jsonl.typefold-part").exists()


def test_a_record_of_csv_that_is_not_utf_8_is_one_bad_record(folder: Path, command: Command) -> None:
    rows = [b"%d,ok" % number for number in range(1000)]
    rows[500] = b"500,\xe9t\xe9"
    (folder / "in.csv").write_bytes(b"\xef\xbb\xbfnumber,word\n" + b"\n".join(rows) + b"\n")
    done = command(*run_of("double"), "-i", "in.csv", "-o", "out.jsonl")
    assert done.exit_code == 1, done.output
    assert [each["number"] for each in lines(folder / "out.jsonl")] == [str(row) for row in range(1000) if row != 500]
    assert messages(folder) == ["line 502 is not UTF-8"]


@pytest.mark.parametrize(
    ("header", "says"), [(b"n\xe4me\n1\n", "is not UTF-8"), (b'"a"b\n1\n', "its first line is no CSV")]
)
def test_a_header_that_can_t_be_read_is_said(folder: Path, command: Command, header: bytes, says: str) -> None:
    (folder / "in.csv").write_bytes(header)
    done = command(*run_of("double"), "-i", "in.csv", "-o", "out.jsonl")
    assert (done.exit_code, says in done.stderr) == (2, True), done.output


@pytest.mark.parametrize("output", ["out.jsonl", "out.parquet"])
def test_a_command_that_fails_leaves_no_half_a_file(folder: Path, command: Command, output: str) -> None:
    (folder / "in.csv").write_text("number\n1\n", encoding="utf-8")
    done = command(*run_of("stop"), "-i", "in.csv", "-o", output)
    assert done.exit_code != 0
    assert not (folder / f"{output}.typefold-part").exists()
    assert not (folder / output).exists()


def test_a_column_of_the_result_s_name_is_not_replaced(folder: Path, command: Command) -> None:
    (folder / "in.jsonl").write_text('{"number": 1, "result": "mine"}\n{"number": 2}\n', encoding="utf-8")
    done = command(*run_of("double"), "-i", "in.jsonl", "-o", "out.jsonl")
    assert done.exit_code == 1
    assert lines(folder / "out.jsonl") == [{"number": 2, "result": 4}]
    [message] = messages(folder)
    assert "has a column result already" in message
    assert "--column" in message
    done = command(*run_of("double"), "-i", "in.jsonl", "-o", "out.jsonl", "--column", "twice")
    assert lines(folder / "out.jsonl")[0] == {"number": 1, "result": "mine", "twice": 2}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_where_columns_are_known_that_is_said_before_anything_runs(folder: Path, command: Command, kind: str) -> None:
    (folder / "in.csv").write_text("number,result\n1,mine\n", encoding="utf-8")
    pq.write_table(pa.table({"number": [1], "result": ["mine"]}), folder / "in.parquet")
    done = command(*run_of("double"), "-i", f"in.{kind}", "-o", f"out.{kind.replace('csv', 'jsonl')}")
    assert (done.exit_code, "--column" in done.stderr) == (2, True), done.output
    assert not list(folder.glob("out.*"))


def test_what_json_has_no_number_for_is_null(folder: Path, command: Command) -> None:
    pq.write_table(
        pa.table({"number": [4.0, 9.0, math.nan], "other": [[math.inf], [1.0], None], "word": ["a", "b", "c"]}),
        folder / "in.parquet",
    )
    assert command(*run_of("root"), "-i", "in.parquet", "-o", "out.jsonl").exit_code == 0
    assert lines(folder / "out.jsonl") == [
        {"number": 4.0, "other": [None], "word": "a", "result": 4.0},
        {"number": 9.0, "other": [1.0], "word": "b", "result": None},
        {"number": None, "other": None, "word": "c", "result": None},
    ]
    command(*run_of("double"), "-i", "in.parquet", "-o", "out.jsonl")
    assert lines(folder / "out.failures.jsonl")[0]["record"] == {"number": None, "other": None, "word": "c"}


def test_bytes_of_parquet_are_base64_in_json_lines(folder: Path, command: Command) -> None:
    pq.write_table(pa.table({"number": [1], "image": [b"\xff\0"], "x": [float("nan")]}), folder / "in.parquet")
    assert command(*run_of("double"), "-i", "in.parquet", "-o", "out.jsonl").exit_code == 0
    [line] = lines(folder / "out.jsonl")
    assert (line["image"], line["x"]) == ("/wA=", None)


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_disk_that_fails_while_it_is_read_ends_the_command(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    def fail(*_: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    name = f"in{ending}"
    (folder / name).write_text("number\n1\n" if ending == ".csv" else '{"number": 1}\n', encoding="utf-8")
    source = input_records.open_source(name)
    monkeypatch.setattr(input_records, "open_source", {name: source}.get)
    monkeypatch.setattr("typefold.cli.input_records.CsvLines._read", fail)
    monkeypatch.setattr(input_records, "_lines", partial(map, fail))
    done = command(*run_of("double"), "-i", name, "-o", "out.jsonl")
    assert (done.exit_code, done.stderr) == (2, f"typefold: {name} can't be read: Input/output error\n"), done.output
    assert not (folder / "out.jsonl").exists()


def test_a_text_that_utf_8_can_t_write_is_written_as_json_escapes_it(folder: Path, command: Command) -> None:
    (folder / "in.jsonl").write_text('{"number": 1, "a": "\\ud800"}\n{"number": "\\ud800"}\n', encoding="utf-8")
    assert command(*run_of("double"), "-i", "in.jsonl", "-o", "out.jsonl").exit_code == 1
    assert lines(folder / "out.jsonl") == [{"number": 1, "a": "\ud800", "result": 2}]
    assert lines(folder / "out.failures.jsonl")[0]["record"] == {"number": "\ud800"}


@pytest.mark.parametrize(
    ("function", "row", "result"),
    [
        ("text", ",1", "''"),
        ("maybe", ",", "('', None)"),
        ("by_default", ",", "('d', 3, 'p', 'u')"),
        ("by_default", ",,,", "('d', 3, '', '')"),
    ],
)
def test_an_empty_value_of_csv_is_what_the_type_takes(
    folder: Path, command: Command, function: str, row: str, result: str
) -> None:
    columns = ["text", "number", "plain", "untyped"][: row.count(",") + 1]
    (folder / "in.csv").write_text(f"{','.join(columns)}\n{row}\n", encoding="utf-8")
    assert command(*run_of(function), "-i", "in.csv", "-o", "out.jsonl").exit_code == 0
    assert [each["result"] for each in lines(folder / "out.jsonl")] == [result]


def test_an_empty_value_that_the_type_does_not_take_is_a_missing_one(folder: Path, command: Command) -> None:
    (folder / "in.csv").write_text("text,number\n,\n", encoding="utf-8")
    for function, name in (("filled", "text"), ("double", "number")):
        assert command(*run_of(function), "-i", "in.csv", "-o", "out.jsonl").exit_code == 1
        assert messages(folder) == [f"{name}: there is no value"]


def test_a_file_is_loaded_though_a_module_of_its_name_is_there(folder: Path, command: Command) -> None:
    import email

    for place, number in (("one", 1), ("two", 2)):
        (folder / place).mkdir()
        for name in ("email", "typefold_files_twice"):
            (folder / place / f"{name}.py").write_text(
                f"from __future__ import annotations\nclass Own(int): ...\ndef f() -> Own:\n    return Own({number})\n",
                encoding="utf-8",
            )
    for name in ("email", "typefold_files_twice", "email"):
        assert command("try", f"one/{name}.py:f").stdout == "1\n"
        assert command("try", f"two/{name}.py:f").stdout == "2\n"
    assert sys.modules["email"] is email
    assert sys.modules.pop("typefold_files_twice").f() == 1


def test_a_file_that_can_t_be_loaded_is_not_remembered(folder: Path, command: Command) -> None:
    (folder / "not-a-name.py").write_text("1 / 0", encoding="utf-8")
    done = command("try", "not-a-name.py:f")
    assert (done.exit_code, "ZeroDivisionError" in done.stderr) == (2, True)
    (folder / "not-a-name.py").write_text("def f(): return 'loaded'", encoding="utf-8")
    assert command("try", "not-a-name.py:f").stdout == "loaded\n"
