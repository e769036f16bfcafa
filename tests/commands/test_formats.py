"""Kinds of files of `typefold run`: CSV, TSV, Parquet and JSON lines both ways, encodings, delimiters, parts of an input."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.commands.conftest import Command
from typefold import configure
from typefold.cli.input_records import CsvLines, Form, csv_values, open_source
from typefold.cli.output import Output
from typefold.cli.output_records import Layout, open_writer
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.tables.arrow import pyarrow

pa, pq = pyarrow(), pyarrow("pyarrow.parquet")

PROGRAM = """
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from pydantic import BaseModel, ConfigDict, Field

class Item(BaseModel):
    name: str = Field(alias="n")
    tags: list[str]
    price: Decimal | None = None

@dataclass
class Point:
    x: int
    day: date

class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 1

def text(text: str) -> str:
    return text

def item(text: str) -> Item:
    return Item(n=text, tags=[text, 'q"'], price=Decimal("1.50") if text == "a" else None)

def maybe(text: str) -> Point | None:
    return Point(1, date(2026, 1, 2)) if text == "a" else None

def either(text: str) -> Point | Item:
    return item(text)

def opened(text: str) -> Open:
    return Open(b=2)

def listed(text: str) -> list[float]:
    return [1.0, float("nan")]

def flag(text: str) -> bool | None:
    return None if text == "a" else True

def nul(text: str) -> str:
    return "\\0" if text == "a" else "\\ud800" if text == "b" else text
"""


@pytest.fixture(autouse=True)
def program(folder: Path) -> None:
    (folder / "typefold_formats.py").write_text(PROGRAM, encoding="utf-8")
    sys.modules.pop("typefold_formats", None)
    configure(ScriptedEngine())  # `folder` takes it back


def of(function: str) -> list[str]:
    return ["run", f"typefold_formats.py:{function}"]


def rows(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t" if path.suffix in (".tsv", ".tab") else ",", strict=True))


@pytest.mark.parametrize(
    ("function", "columns", "first", "second"),
    [
        ("text", ["result"], ["a"], ["b,\t"]),
        (
            "item",
            ["result.name", "result.tags", "result.price"],
            ["a", '["a", "q\\""]', "1.50"],
            ["b,\t", '["b,\\t", "q\\""]', ""],
        ),
        ("maybe", ["result.x", "result.day"], ["1", "2026-01-02"], ["", ""]),
        (
            "either",
            ["result"],
            ['{"name": "a", "tags": ["a", "q\\""], "price": "1.50"}'],
            ['{"name": "b,\\t", "tags": ["b,\\t", "q\\""], "price": null}'],
        ),
        ("opened", ["result"], ['{"a": 1, "b": 2}'], ['{"a": 1, "b": 2}']),
        ("listed", ["result"], ["[1.0, null]"], ["[1.0, null]"]),
        ("flag", ["result"], [""], ["true"]),
    ],
)
@pytest.mark.parametrize("output", ["out.csv", "out.tsv", "out.tab"])
def test_a_result_with_fields_has_a_column_for_each(
    folder: Path, command: Command, function: str, columns: list[str], first: list[str], second: list[str], output: str
) -> None:
    (folder / "in.jsonl").write_text('{"text": "a", "n": 1}\n{"text": "b,\\t", "m": {"x": [1]}}\n', encoding="utf-8")
    done = command(*of(function), "-i", "in.jsonl", "-o", output)
    assert done.exit_code == 0, done.output
    assert rows(folder / output) == [
        ["text", "n", "m", *columns],
        ["a", "1", "", *first],
        ["b,\t", "", '{"x": [1]}', *second],
    ]


def test_the_kind_of_a_file_is_named_where_its_ending_does_not(folder: Path, command: Command) -> None:
    (folder / "in.txt").write_text("text\na\n", encoding="utf-8")
    named = ["-i", "in.txt", "--input-format", "csv", "--output-format"]
    for kind, expected in (("csv", "text,result\na,a\n"), ("tsv", "text\tresult\na\ta\n")):
        assert command(*of("text"), *named, kind, "-o", "out.txt").exit_code == 0
        assert (folder / "out.txt").read_text(encoding="utf-8") == expected
        assert command(*of("text"), *named, kind).stdout == expected
    assert json.loads(command(*of("text"), *named, "jsonl", "-o", "-").stdout) == {"text": "a", "result": "a"}
    assert command(*of("text"), *named, "parquet", "-o", "out.txt").exit_code == 0
    assert pq.read_table(folder / "out.txt").to_pylist() == [{"text": "a", "result": "a"}]
    done = command(*of("text"), "-i", "-", "--input-format", "tsv", stdin=b"x\ttext\n1\ta\n")
    assert json.loads(done.stdout) == {"x": "1", "text": "a", "result": "a"}


def test_no_records_are_a_file_of_columns(folder: Path, command: Command) -> None:
    (folder / "in.csv").write_text("text,n\n", encoding="utf-8")
    assert command(*of("item"), "-i", "in.csv", "-o", "out.csv").exit_code == 0
    assert rows(folder / "out.csv") == [["text", "n", "result.name", "result.tags", "result.price"]]


def test_what_csv_has_no_form_for_costs_its_row(folder: Path, command: Command) -> None:
    (folder / "in.csv").write_text("text\na\nb\nc\n", encoding="utf-8")
    done = command(*of("nul"), "-i", "in.csv", "-o", "out.csv")
    assert (done.exit_code, rows(folder / "out.csv")) == (1, [["text", "result"], ["c", "c"]]), done.output
    lines = [json.loads(line) for line in (folder / "out.failures.jsonl").read_bytes().splitlines()]
    assert [(each["row"], each["error"]) for each in lines] == [(0, "ValueError"), (1, "UnicodeEncodeError")]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.lists(st.text(st.sampled_from(',"\n\r\tx é;'), max_size=5), min_size=2, max_size=2), max_size=5),
    st.sampled_from(["csv", "tsv"]),
)
def test_what_is_written_is_read_as_it_was(folder: Path, texts: list[list[str]], kind: Any) -> None:
    output = Output(f"out.{kind}")
    writer = open_writer(output, Layout(kind, ["b"], lambda value: {"b": value}, ["a", "b"]))
    records = [dict(zip("ab", row, strict=True)) for row in texts]
    for record in records:
        writer.write(writer.encode(record))
    writer.finish()
    assert [each.record for each in open_source(f"out.{kind}")] == records


# --- inputs ----------------------------------------------------------------------------------------------------------

WORDS = ["Grüße", "zł", "日本", "a,b", "x\ny"]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "UTF8", "utf-16", "utf-16-le", "utf-32", "gb18030", "cp1250", "shift_jis", "cp037"],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_texts_of_every_encoding_are_read(folder: Path, command: Command, encoding: str, kind: str) -> None:
    words = [word for word in WORDS if word.encode(encoding, "ignore").decode(encoding) == word]
    if kind == "csv":
        text = "text\n" + "".join(f'"{word}"\n' for word in words)
    else:
        text = "".join(json.dumps({"text": word}, ensure_ascii=False) + "\n" for word in words)
    (folder / f"in.{kind}").write_bytes(text.encode(encoding))
    done = command(*of("text"), "-i", f"in.{kind}", "-o", "out.jsonl", "--encoding", encoding)
    assert done.exit_code == 0, done.output
    lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["result"] for line in lines] == words and len(words) > 2
    source = (folder / f"in.{kind}").read_bytes()
    piped = command(*of("text"), "-i", "-", "--input-format", kind, "--encoding", encoding, stdin=source)
    assert len(piped.stdout.splitlines()) == len(words), piped.output


@pytest.mark.parametrize(("delimiter", "given"), [(";", ";"), ("|", "|"), ("\t", r"\t"), ("\t", "tab"), (" ", " ")])
def test_columns_are_parted_by_any_character(folder: Path, command: Command, delimiter: str, given: str) -> None:
    lines = [["id", "text"], ["1", '"a,b"'], ["2"], ["3", f'"x{delimiter}"y'], ["4", f'"{delimiter}\n"']]
    (folder / "in.csv").write_text("\n".join(delimiter.join(line) for line in lines), encoding="utf-8")
    done = command(*of("text"), "-i", "in.csv", "-o", "out.csv", "--delimiter", given)
    assert (done.exit_code, rows(folder / "out.csv")[1:]) == (
        1,
        [["1", "a,b", "a,b"], ["4", f"{delimiter}\n", f"{delimiter}\n"]],
    ), done.output
    failed = [json.loads(line) for line in (folder / "out.failures.jsonl").read_bytes().splitlines()]
    assert [(each["raw"], each["delimiter"]) for each in failed] == [
        ("2", delimiter),
        (delimiter.join(lines[3]), delimiter),
    ]
    assert failed[1]["message"].startswith("line 4, column 2: there is text behind the quote")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-i", "in.csv", "--encoding", "utf-9"], "--encoding utf-9: there is no such encoding"),
        (["-i", "in.csv", "--encoding", "base64"], "--encoding base64: there is no such encoding"),
        (["-i", "in.csv", "--encoding", "a\0"], "there is no such encoding"),
        (["-i", "in.csv", "--delimiter", ";;"], "--delimiter ';;': it is one character, such as ';', or \\t for a tab"),
        (["-i", "in.csv", "--delimiter", ""], "--delimiter '': it is one character"),
        (["-i", "in.csv", "--delimiter", '"'], "it is one character"),
        (["-i", "in.csv", "--delimiter", "\n"], "it is one character"),
        (
            ["-i", "in.jsonl", "--delimiter", ";"],
            "--delimiter: only CSV has a delimiter, and in.jsonl is read as jsonl",
        ),
        (["-i", "in.parquet", "--delimiter", ";"], "--delimiter: only CSV has a delimiter"),
        (["-i", "in.parquet", "--encoding", "cp1252"], "--encoding: Parquet has no encoding; leave it out"),
        (["-i", "-", "--input-format", "parquet"], "Parquet is no stream, so standard input can't be read as it"),
        (["-i", "in.csv", "--output-format", "parquet"], "so it can't be written to standard output; name a file"),
        (["-i", "-", "-o", "out.csv"], "CSV begins with its columns, and standard input does not say which there are"),
        (["-i", "semi.csv"], "if its columns are parted by ';', --delimiter says so"),
        (["-i", "latin.csv"], "is not UTF-8; name the file's encoding, for instance --encoding cp1252"),
        (["-i", "wide.csv"], "name the file's encoding, for instance --encoding cp1252 or --encoding utf-16"),
        (["-i", "in.csv", "--encoding", "utf-32"], "name its encoding with --encoding"),
        (["-i", "taken.csv", "-o", "out.csv"], "the input has a column result.name already"),
    ],
)
def test_options_that_do_not_fit_are_said_before_anything_runs(
    folder: Path, command: Command, arguments: list[str], says: str
) -> None:
    (folder / "in.csv").write_text("text\na\n", encoding="utf-8")
    (folder / "semi.csv").write_text("id;text\n1;a\n", encoding="utf-8")
    (folder / "taken.csv").write_text("text,result.name\na,b\n", encoding="utf-8")
    (folder / "latin.csv").write_bytes("text,größe\na,b\n".encode("cp1252"))
    (folder / "wide.csv").write_bytes("text\na\n".encode("utf-16"))
    (folder / "in.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    pq.write_table(pa.table({"text": ["a"]}), folder / "in.parquet")
    done = command(*of("item"), *arguments, stdin='{"text": "a"}\n')
    assert (done.exit_code, says in done.stderr) == (2, True), done.output
    assert not list(folder.glob("out*"))


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--offset", "2"], [2, 3, 4]),
        (["--offset", "1", "--limit", "2"], [1, 2]),
        (["--limit", "2"], [0, 1]),
        (["--offset", "5"], []),
        (["--offset", "99", "--limit", "1"], []),
        (["--offset", "0"], [0, 1, 2, 3, 4]),
    ],
)
def test_a_part_of_the_input_has_the_numbers_of_the_whole(
    folder: Path, command: Command, name: str, options: list[str], expected: list[int]
) -> None:
    texts = [f"t{row}" for row in range(5)]
    (folder / "in.csv").write_text("\n".join(["text", *texts]), encoding="utf-8")
    (folder / "in.jsonl").write_text("".join(f'{{"text": "{each}"}}\n' for each in texts), encoding="utf-8")
    pq.write_table(pa.table({"text": texts}), folder / "in.parquet")
    (folder / "fails.py").write_text("def fails(text: str) -> str:\n    raise KeyError(text)\n", encoding="utf-8")
    assert command(*of("text"), "-i", name, "-o", "out.jsonl", *options).exit_code == 0
    lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [texts[row] for row in expected]
    command("run", "fails.py:fails", "-i", name, "-o", "no.jsonl", *options)
    failed = (folder / "no.failures.jsonl").read_text(encoding="utf-8").splitlines() if expected else []
    assert [json.loads(line)["row"] for line in failed] == expected


def test_a_text_too_long_to_keep_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typefold.cli.input_records.LONGEST", 50)
    path = tmp_path / "in.csv"
    path.write_text('a,b\n1,"' + "x\n" * 20 + "\n2,3\n", encoding="utf-8")
    for size, kept in ((20, True), (60, False)):
        path.write_text('a,b\n1,"' + "x\n" * size + "\n", encoding="utf-8")
        [read] = open_source(str(path))
        assert hasattr(read.record, "kept") == kept
    with open(path, encoding="utf-8", newline="") as file:
        assert [line for line, _ in csv_values(CsvLines(file))] == [1, 2]
    assert Form("csv").code == "UTF-8"
