"""Failures files: mended and run again by themselves, rows land where they belong, and nothing of a record is lost."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.commands.conftest import Command
from typefold import configure
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.tables.arrow import pyarrow

pa, pq = pyarrow(), pyarrow("pyarrow.parquet")

PROGRAM = """
from datetime import date
from pathlib import Path
from typing import Any

def length(text: str, number: int = 0) -> int:
    if text in Path("bad.txt").read_text(encoding="utf-8").split():
        raise KeyError(text)
    return len(text) + number

def typed(image: bytes, day: date, ok: bool) -> str:
    if not ok:
        raise KeyError(day)
    return f"{image!r} {day.year}"
"""
RUN = ["run", "typefold_mended.py:length"]


@pytest.fixture(autouse=True)
def program(folder: Path) -> None:
    (folder / "typefold_mended.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "bad.txt").write_text("", encoding="utf-8")
    sys.modules.pop("typefold_mended", None)
    configure(ScriptedEngine())  # `folder` takes it back


def failed(folder: Path, name: str = "out.failures.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def mended(folder: Path, change: dict[int, dict[str, Any]], name: str = "out.failures.jsonl") -> None:
    """Change the fields of failed rows."""
    lines = [{**each, **change.get(each["row"], {})} for each in failed(folder, name)]
    (folder / name).write_text("".join(f"{json.dumps(each)}\n" for each in lines), encoding="utf-8")


def rows(path: Path) -> Any:
    return (
        pq.read_table(path).to_pylist() if path.suffix == ".parquet" else path.read_text(encoding="utf-8").split("\n")
    )


@pytest.mark.parametrize("source", ["csv", "jsonl", "tsv"])
@pytest.mark.parametrize("output", ["jsonl", "csv", "tsv", "parquet"])
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(bad=st.sets(st.integers(0, 6)), worse=st.sets(st.integers(0, 6)), skip=st.integers(0, 3), gone=st.integers(0, 6))
def test_rows_of_the_mended_file_land_where_they_belong(
    folder: Path, command: Command, source: str, output: str, bad: set[int], worse: set[int], skip: int, gone: int
) -> None:
    """In two turns, as a whole run would have written them, also where a failure is given up and others are left out."""
    if (source, output) == ("jsonl", "parquet"):
        return
    texts = ["a", "b", "a b", 'c "', "d,\tx", "é", "line\nend"]
    if source == "jsonl":
        text = "".join(f"{json.dumps({'text': each})}\n" for each in texts)
    else:
        text = "text\n" + "".join('"' + each.replace('"', '""') + '"\n' for each in texts)
    whole, out = folder / f"whole.{output}", folder / f"out.{output}"
    (folder / f"in.{source}").write_text(text, encoding="utf-8")
    (folder / f"less.{source}").write_text(text, encoding="utf-8")
    arguments = [*RUN, "-i", f"in.{source}", "--offset", str(skip), "--where", "text != 'b'"]
    for path in (whole, out, folder / "out.failures.jsonl"):
        path.unlink(missing_ok=True)
    (folder / "bad.txt").write_text("", encoding="utf-8")
    assert command(*arguments, "-o", str(whole)).exit_code == 0
    everything = rows(whole)
    keys = [f"k{row}" for row in bad | worse]  # what fails is told by a text that mending takes away
    assert command(*RUN, "-i", f"in.{source}", "-o", str(out), "--offset", "0").exit_code == 0
    (folder / "bad.txt").write_text(" ".join(keys), encoding="utf-8")
    lines = [f"k{row}" if row in bad | worse and row != 1 else each for row, each in enumerate(texts)]
    if source == "jsonl":
        broken = "".join(f"{json.dumps({'text': each})}\n" for each in lines)
    else:
        broken = "text\n" + "".join('"' + each.replace('"', '""') + '"\n' for each in lines)
    (folder / f"in.{source}").write_text(broken, encoding="utf-8")
    expected = {row for row in bad | worse if row >= skip and row != 1}
    assert command(*arguments, "-o", str(out)).exit_code == bool(expected)
    again = [*RUN, "-i", "out.failures.jsonl", "-o", str(out)]
    first = {row: {"record": {"text": texts[row]}} for row in expected - worse}
    if expected:
        assert {each["row"] for each in failed(folder)} == expected
        mended(folder, first)
        assert command(*again).exit_code == bool(expected & worse)
    if expected & worse:
        assert {each["row"] for each in failed(folder)} == expected & worse
        left = [each for each in failed(folder) if each["row"] != gone]  # given up
        (folder / "out.failures.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in left), encoding="utf-8")
        mended(folder, {row: {"record": {"text": texts[row]}} for row in expected & worse})
        if left:
            assert command(*again).exit_code == 0
    elif (folder / "out.failures.jsonl").exists():
        raise AssertionError("nothing failed, and the file is there")
    if gone not in expected & worse:
        assert rows(out) == everything
    else:
        kept = [each for row, each in enumerate(texts) if row >= skip and row not in (1, gone)]
        assert command(*RUN, "-i", "kept.jsonl", "-o", "k.jsonl").exit_code == 2 and len(rows(out)) <= len(everything)
        found = [read["text"] for read in _records(out)]
        assert found == kept


def _records(path: Path) -> list[dict[str, Any]]:
    import csv

    if path.suffix == ".parquet":
        return list[dict[str, Any]](rows(path))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize(
    ("name", "data", "raw"),
    [
        ("in.jsonl", b'{"text": "caf\xe9 \xff"}', '{"text": "caf\udce9 \udcff"}'),
        ("in.jsonl", b'{"text": "a" "b"}', '{"text": "a" "b"}'),
        ("in.jsonl", b"[1, 2]", "[1, 2]"),
        ("in.csv", b'caf\xe9,"1\n2"', 'caf\udce9,"1\n2"'),
        ("in.csv", b"a,b,c", "a,b,c"),
        ("in.csv", b'"a"b,1', '"a"b,1'),
        ("in.csv", b"nul\0,1", "nul\0,1"),
    ],
)
def test_a_record_that_can_t_be_read_is_kept_byte_for_byte(
    folder: Path, command: Command, name: str, data: bytes, raw: str
) -> None:
    head, good = (b"", b'{"text": "x"}') if name == "in.jsonl" else (b"text,number\n", b"x,1")
    (folder / name).write_bytes(head + b"\n".join([good, data, good]) + b"\n")
    assert command(*RUN, "-i", name, "-o", "out.jsonl").exit_code == 1
    [line] = failed(folder)
    assert (line["record"], line["raw"], line["row"], line["after"]) == (None, raw, 1, 1)
    assert line["raw"].encode("utf-8", "surrogateescape") == data
    before = line.pop("message")
    assert command(*RUN, "-i", "out.failures.jsonl", "-o", "out.jsonl").exit_code == 1  # as it was
    [line] = failed(folder)
    assert (line["raw"], line["message"], line["row"]) == (raw, before, 1)
    mended(folder, {1: {"raw": '{"text": "mine"}' if name == "in.jsonl" else "mine,4"}})
    assert command(*RUN, "-i", "out.failures.jsonl", "-o", "out.jsonl").exit_code == 0
    assert [each["text"] for each in _records(folder / "out.jsonl")] == ["x", "mine", "x"]


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl"])
def test_bytes_of_another_encoding_need_no_editing(folder: Path, command: Command, name: str) -> None:
    lines = [b"text", b"fine", b"caf\xe9"] if name == "in.csv" else [b'{"text": "fine"}', b'{"text": "caf\xe9"}']
    (folder / name).write_bytes(b"\n".join(lines))
    assert command(*RUN, "-i", name, "-o", "out.csv").exit_code == 1
    done = command(*RUN, "-i", "out.failures.jsonl", "-o", "out.csv", "--encoding", "cp1252")
    assert done.exit_code == 0, done.output
    assert [each["text"] for each in _records(folder / "out.csv")] == ["fine", "café"]


def test_a_quote_that_is_closed_gives_the_records_behind_it_back(folder: Path, command: Command) -> None:
    (folder / "in.csv").write_text('text\na\n"b\nc\nd\n', encoding="utf-8")
    assert command(*RUN, "-i", "in.csv", "-o", "out.csv").exit_code == 1
    mended(folder, {1: {"raw": '"b"\nc\nd'}})
    assert command(*RUN, "-i", "out.failures.jsonl", "-o", "out.csv").exit_code == 0
    assert [each["text"] for each in _records(folder / "out.csv")] == ["a", "b", "c", "d"]


def test_values_that_json_does_not_tell_come_back_as_they_were(folder: Path, command: Command) -> None:
    table = pa.table(
        {
            "image": [b"\xff\0", b"a"],
            "day": [date(2026, 1, 2), date(2025, 1, 2)],
            "ok": [True, False],
            "at": [datetime(2026, 1, 2, 3), datetime(2026, 1, 2, 4, 5, 6)],
            "price": [Decimal("1.50"), Decimal("2.50")],
            "took": [timedelta(days=1, hours=2), timedelta(seconds=-5)],
            "none": [1.0, float("nan")],
            "far": [1.0, float("-inf")],
        }
    )
    pq.write_table(table, folder / "in.parquet")
    assert command("run", "typefold_mended.py:typed", "-i", "in.parquet", "-o", "out.parquet").exit_code == 1
    record = failed(folder)[0]["record"]
    mended(folder, {1: {"record": {**record, "ok": True}}})
    done = command("run", "typefold_mended.py:typed", "-i", "out.failures.jsonl", "-o", "out.parquet")
    assert done.exit_code == 0, done.output
    out = pq.read_table(folder / "out.parquet")
    assert out.column("result").to_pylist() == ["b'\\xff\\x00' 2026", "b'a' 2025"]
    assert str(out.drop_columns(["result", "ok"]).to_pylist()) == str(table.drop_columns(["ok"]).to_pylist())


def test_some_rows_are_tried_into_another_file(folder: Path, command: Command) -> None:
    (folder / "in.jsonl").write_text('{"text": "a"}\n{"txt": "b"}\n{"text": 1}\n', encoding="utf-8")
    command(*RUN, "-i", "in.jsonl", "-o", "out.jsonl")
    before = (folder / "out.failures.jsonl").read_bytes()
    mended(folder, {1: {"record": {"text": "b"}}})
    done = command(*RUN, "-i", "out.failures.jsonl", "-o", "try.csv", "--limit", "1")
    assert (done.exit_code, rows(folder / "try.csv")) == (0, ["text,result", "b,1", ""]), done.output
    assert len(before.splitlines()) == len(failed(folder)) == 2


CHANGES: list[tuple[Callable[[str], str], str]] = [
    (lambda text: text.replace('"row": 1', '"row": "1"'), "line 1: row is a number, from 0"),
    (lambda text: text.replace('"after": 1', '"after": -1'), "line 1: after is a number, from 0"),
    (lambda text: text.replace('"after": 1', '"after": 9'), "has 1 results, and rows failed behind the first 9"),
    (lambda text: text.replace("null", '"x"', 1), "record is an object with the columns, or null"),
    (lambda text: text.replace("}\n", "\n", 1), "line 1 is no JSON any more"),
    (lambda text: text + '{"text": "a"}\n', "line 3 is no failed row any more: it needs"),
    (lambda text: "".join(reversed(text.splitlines(keepends=True))), "row 1 stands behind row 2; keep the lines"),
]


@pytest.mark.parametrize(("change", "says"), CHANGES)
def test_a_file_that_was_mended_wrongly_is_said_before_anything_runs(
    folder: Path, command: Command, change: Callable[[str], str], says: str
) -> None:
    (folder / "in.jsonl").write_text('{"text": "a"}\nx\n{"text": 1}\n', encoding="utf-8")
    command(*RUN, "-i", "in.jsonl", "-o", "out.jsonl")
    path = folder / "out.failures.jsonl"
    text = change(path.read_text(encoding="utf-8"))
    if says.startswith("line 1 is no JSON"):  # of the first line alone: what it is, the second still says
        text = "".join(reversed(path.read_text(encoding="utf-8").splitlines(keepends=True)))[:-2] + "\n"
        says = "line 2 is no JSON any more"
    path.write_text(text, encoding="utf-8")
    before = {each.name: each.read_bytes() for each in folder.glob("out*")}
    done = command(*RUN, "-i", "out.failures.jsonl", "-o", "out.jsonl")
    if says.startswith("line 1: row"):  # then it is no failures file, and is neither read nor written as one
        says = "--failures and --input are one file"
    assert (done.exit_code, says in done.stderr) == (2, True), done.output
    assert {each.name: each.read_bytes() for each in folder.glob("out*")} == before


@pytest.mark.parametrize("option", [["--limit", "1"], ["--offset", "1"], ["--where", "true"]])
def test_rows_are_not_left_out_of_the_file_that_they_are_in(folder: Path, command: Command, option: list[str]) -> None:
    (folder / "in.jsonl").write_text('{"text": 1}\n', encoding="utf-8")
    command(*RUN, "-i", "in.jsonl", "-o", "out.jsonl")
    done = command(*RUN, "-i", "out.failures.jsonl", "-o", "out.jsonl", *option)
    assert (done.exit_code, "would leave rows of out.failures.jsonl out" in done.stderr) == (2, True)


def test_an_output_of_other_columns_is_said(folder: Path, command: Command) -> None:
    (folder / "in.csv").write_text("text,number\na,x\n", encoding="utf-8")
    command(*RUN, "-i", "in.csv", "-o", "out.csv")
    for other in (["--column", "other"],):
        done = command(*RUN, "-i", "out.failures.jsonl", "-o", "out.csv", *other)
        assert (done.exit_code, "out.csv ends with other columns than the results'" in done.stderr) == (2, True)


def test_through_a_pipe_failures_are_records_like_others(folder: Path, command: Command) -> None:
    (folder / "why.py").write_text("def why(message: str) -> int:\n    return len(message)\n", encoding="utf-8")
    (folder / "in.jsonl").write_text("x\n", encoding="utf-8")
    command(*RUN, "-i", "in.jsonl", "-o", "out.jsonl")
    done = command("run", "why.py:why", "-i", "-", stdin=(folder / "out.failures.jsonl").read_text(encoding="utf-8"))
    assert (done.exit_code, json.loads(done.stdout)["row"]) == (0, 0)
