"""`typefold run`: a function over the records of a file."""
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from tests.commands.conftest import Command
from typefold.execution import progress
from typefold.execution.progress import Lines, Progress
from typefold.tables.arrow import pyarrow

pa, pq = pyarrow(), pyarrow("pyarrow.parquet")

LABEL = {"kind": "billing", "urgency": 2}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


def test_columns_go_to_parameters_and_results_behind_the_record(folder: Path, command: Command) -> None:
    name = written(folder, "in.csv", 'id,text,stars\n1,"Late, again",1\n2,Fine,\n')
    done = command("run", "tickets:classify", "-i", name, "-o", "out.jsonl")
    assert (done.exit_code, done.stderr) == (0, "typefold: 2 results in out.jsonl\n")
    assert lines(folder / "out.jsonl") == [
        {"id": "1", "text": "Late, again", "stars": "1", "result": LABEL},
        {"id": "2", "text": "Fine", "stars": "", "result": LABEL},
    ]
    assert not (folder / "out.failures.jsonl").exists()


def test_a_bad_record_is_kept_aside_and_costs_no_other(folder: Path, command: Command) -> None:
    records = [
        '{"text": "a"}',
        "no json",
        '["text"]',
        '{"text": 5}',
        '{"text": "boom"}',
        "",
        '{"other": 1}',
        '{"text": "z"}',
    ]
    name = written(folder, "in.jsonl", "\n".join(records))
    done = command("run", "tickets.py:program", "-i", name, "-o", "out.jsonl", "--column", "label")
    assert done.exit_code == 1
    first, *_, last = done.stderr.splitlines()
    assert first == "typefold: row 4 (line 5) failed:"
    assert last == "typefold: 2 results in out.jsonl, 5 failed, with reasons in out.failures.jsonl"
    assert lines(folder / "out.jsonl") == [{"text": "a", "label": LABEL}, {"text": "z", "label": LABEL}]
    assert [(each["row"], each["error"]) for each in lines(folder / "out.failures.jsonl")] == [
        (1, "BadRecord"),
        (2, "BadRecord"),
        (3, "BadRecord"),
        (4, "KeyError"),
        (5, "BadRecord"),
    ]
    assert lines(folder / "out.failures.jsonl")[2] == {
        "row": 3,
        "line": 4,
        "error": "BadRecord",
        "message": "text: Input should be a valid string",
        "record": {"text": 5},
        "after": 1,
    }


def test_standard_input_and_output(folder: Path, command: Command) -> None:
    done = command("run", "tickets:plain", "-i", "-", stdin='{"number": 3}\n{"number": 4}\n')
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"number": 3, "result": [3, 6]},
        {"number": 4, "result": [4, 8]},
    ]
    assert done.exit_code == 0


def test_the_first_records_and_those_of_which_a_condition_holds(folder: Path, command: Command) -> None:
    name = written(folder, "in.jsonl", "".join(f'{{"number": {row}}}\n' for row in range(10)))
    done = command("run", "tickets:plain", "-i", name, "-o", "out.jsonl", "--limit", "6", "--where", "number % 2 == 1")
    assert done.stderr == "typefold: 3 results in out.jsonl, 3 left out\n"
    assert [each["number"] for each in lines(folder / "out.jsonl")] == [1, 3, 5]


def test_a_parameter_with_fields_takes_the_whole_record(folder: Path, command: Command) -> None:
    name = written(folder, "in.jsonl", '{"text": "Late", "stars": 9}\n{"text": "Late"}\n')
    done = command("run", "tickets:summary", "-i", name, "-o", "out.jsonl", "--set", 'tags=["a"]')
    assert done.exit_code == 1
    assert lines(folder / "out.jsonl") == [{"text": "Late", "result": "7"}]
    assert "stars: Input should be less than or equal to 5" in lines(folder / "out.failures.jsonl")[0]["message"]


def test_a_column_of_another_name_goes_to_the_parameter_that_is_said(folder: Path, command: Command) -> None:
    table = "Ticket No;The Text;Stars\n7;Late; 2\n8;Fine;4\n9;Lost;x\n"
    written(folder, "in.csv", table)
    renamed = ["--rename", "The Text=text", "--rename", "Stars=stars"]
    options = ["run", "tickets:classify", "-o", "out.jsonl", "--delimiter", ";", "--input-format", "csv", *renamed]
    assert command(*options, "-i", "in.csv", "--where", "stars != 4").exit_code == 1
    first = {"Ticket No": "7", "The Text": "Late", "Stars": " 2", "result": LABEL}
    assert lines(folder / "out.jsonl") == [first]
    failed = folder / "out.failures.jsonl"
    assert lines(failed)[0]["record"] == {"Ticket No": "9", "The Text": "Lost", "Stars": "x"}
    written(folder, failed.name, failed.read_text(encoding="utf-8").replace('"x"', '"5"'))
    assert command(*options, "-i", failed.name).exit_code == 0
    last = {"Ticket No": "9", "The Text": "Lost", "Stars": "5", "result": LABEL}
    assert lines(folder / "out.jsonl") == [first, last]


def test_renamed_columns_are_fields_of_a_whole_record_too(folder: Path, command: Command) -> None:
    name = written(folder, "in.jsonl", '{"Body": "Late"}\n{"Body": "Late", "text": "again"}\n')
    options = ["-i", name, "-o", "out.jsonl", "--set", 'tags=["a"]', "--rename", "Body=text"]
    assert command("run", "tickets:summary", *options).exit_code == 1
    assert lines(folder / "out.jsonl") == [{"Body": "Late", "result": "7"}]
    assert lines(folder / "out.failures.jsonl")[0]["message"] == "there are two columns for text"


def test_async_functions_run_too(folder: Path, command: Command) -> None:
    name = written(folder, "in.jsonl", '{"text": "a"}\n{"text": "b"}\n')
    assert command("run", "tickets:awaited", "-i", name, "-o", "out.jsonl").exit_code == 0
    assert [each["result"] for each in lines(folder / "out.jsonl")] == [LABEL, LABEL]


def test_parquet_in_and_out_with_models_as_structs(folder: Path, command: Command) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "id": [1, 2]}), folder / "in.parquet")
    done = command("run", "tickets:classify", "-i", "in.parquet", "-o", "out.parquet")
    assert done.exit_code == 0
    table = pq.read_table(folder / "out.parquet")
    assert table.schema.field("result").type == pa.struct([("kind", pa.string()), ("urgency", pa.int64())])
    assert table.to_pylist() == [{"text": "a", "id": 1, "result": LABEL}, {"text": "b", "id": 2, "result": LABEL}]


def test_a_value_that_a_column_can_t_hold_is_a_failed_row(folder: Path, command: Command) -> None:
    name = written(folder, "in.csv", "number\n3\n70\n4\n")
    done = command("run", "tickets:huge", "-i", name, "-o", "out.parquet")
    assert done.exit_code == 1
    assert pq.read_table(folder / "out.parquet").column("result").to_pylist() == [8, 16]
    [failed] = lines(folder / "out.failures.jsonl")
    assert (failed["row"], failed["error"]) == (1, "OverflowError")


def test_many_rows_keep_their_order(folder: Path, command: Command) -> None:
    name = written(folder, "in.jsonl", "".join(f'{{"text": "{"x" * (row % 7)}{row}"}}\n' for row in range(3000)))
    assert command("run", "tickets:classify", "-i", name, "-o", "out.jsonl").exit_code == 0
    assert [each["text"].lstrip("x") for each in lines(folder / "out.jsonl")] == [str(row) for row in range(3000)]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tickets", "-i", "in.csv"], "name a function as module:function or file.py:function, not 'tickets'"),
        (["nothing:here", "-i", "in.csv"], "there is no module nothing"),
        (["nothing.py:here", "-i", "in.csv"], "there is no file nothing.py"),
        (["tickets:clasify", "-i", "in.csv"], "tickets has no clasify; did you mean classify?"),
        (["tickets:Label", "-i", "in.csv"], "is a ModelMetaclass and no function"),
        (["broken:f", "-i", "in.csv"], "broken can't be imported: ZeroDivisionError: division by zero"),
        (["tickets:classify", "-i", "none.csv"], "there is no file none.csv"),
        (
            ["tickets:classify", "-i", "fifo.jsonl"],
            "fifo.jsonl is no regular file; JSON lines from it are read by -i - <",
        ),
        (
            ["tickets:classify", "-i", "near.csv"],
            "the column ' Stars' is not 'stars'; rename it, or give one value for all rows with --set stars=...; where it is "
            "meant: --rename ' Stars=stars'",
        ),
        (
            ["tickets:classify", "-i", "in.csv", "--rename", "word=text"],
            "--rename: the input has no column word (it has id, words)",
        ),
        (
            ["tickets:classify", "-i", "in.csv", "--rename", "words=text", "--rename", "id=text"],
            "--rename: there are two columns for text (it has id, words)",
        ),
        (
            ["tickets:classify", "-i", "in.csv", "--rename", "words=txt"],
            "takes no txt from a column; it takes text, stars",
        ),
        (
            ["tickets:classify", "-i", "in.csv", "-o", ""],
            "results are written to .jsonl, .csv, .tsv and .parquet, not such a file",
        ),
        (
            ["tickets:classify", "-i", "in.csv", "-o", "/"],
            "results are written to .jsonl, .csv, .tsv and .parquet, not such a file",
        ),
        (["tickets:classify", "-i", "/"], "/ is no regular file"),
        (["tickets:classify", "-i", "in.csv", "--set", "text=a", "--journal", "fifo.jsonl"], "this is no regular file"),
        (
            ["tickets:classify", "-i", "in.csv", "--set", "text=a", "--seed", "1"],
            "--seed: the module's own configure(...) has no such option; write it there, or name the model here with --model",
        ),
        (["tickets:classify", "-i", "in.txt"], "records are read from .jsonl, .csv, .tsv and .parquet, not .txt"),
        (["tickets:classify", "-i", "in.csv"], "needs text, which the input has no column for (it has id, words)"),
        (["tickets:classify", "-i", "in.csv", "--set", "txt=a"], "has no parameter txt; it has text, stars"),
        (["tickets:classify", "-i", "in.csv", "--set", "stars=x"], "stars=x: Input should be a valid integer"),
        (["tickets:classify", "-i", "in.csv", "--set", "text"], "text: write it as NAME=VALUE"),
        (["tickets:classify", "-i", "in.csv", "--set", "text=a", "-o", "out.xml"], "not .xml"),
        (["tickets:classify", "-i", "in.csv", "--set", "text=a", "-o", "no/out.jsonl"], "can't be written"),
        (["tickets:classify", "-i", "in.csv", "--set", "text=a", "--where", "a ="], "--where 'a ='"),
        (["tickets:classify", "-i", "bad.parquet"], "can't be read as Parquet"),
        (
            ["tickets:classify", "-i", "in.csv", "--set", "text=a", "--model", "./none"],
            "Runtime: there is no folder './none'",
        ),
        (
            ["tickets:classify", "-i", "in.csv", "--set", "text=a", "--model", "a/b", "--engine", "seeds=1"],
            "did you mean 'seed'?",
        ),
        (
            ["tickets:classify", "-i", "in.csv", "--set", "text=a", "--model", "a/b", "--engine", "json_format=tigt"],
            "json_format is one of",
        ),
        (["tickets:classify", "-i", "in.csv", "--set", "text=a", "--engine", "seed=1"], "write it as --seed 1"),
        (["tickets:plain", "-i", "in.jsonl", "-o", "out.parquet"], "results of JSON lines are written to .jsonl"),
    ],
)
def test_what_can_t_be_done_is_said_before_anything_runs(
    folder: Path, command: Command, arguments: list[str], says: str
) -> None:
    written(folder, "in.csv", "id,words\n1,a\n")
    written(folder, "near.csv", "text, Stars\na, 1\n")
    os.mkfifo(folder / "fifo.jsonl")
    written(folder, "in.txt", "a")
    written(folder, "in.jsonl", '{"number": 1}\n')
    written(folder, "bad.parquet", "PAR1 or not")
    written(folder, "broken.py", "1 / 0\n")
    done = command("run", *arguments)
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert done.stderr.startswith("typefold: ")


def test_an_earlier_result_stays_until_there_is_a_new_one(folder: Path, command: Command) -> None:
    written(folder, "out.jsonl", "old\n")
    name = written(folder, "in.jsonl", '{"text": "a"}\n')
    command("run", "tickets:nothing", "-i", name, "-o", "out.jsonl")
    assert (folder / "out.jsonl").read_text(encoding="utf-8") == "old\n"
    command("run", "tickets:classify", "-i", name, "-o", "out.jsonl")
    assert lines(folder / "out.jsonl") == [{"text": "a", "result": LABEL}]
    assert not (folder / "out.jsonl.typefold-part").exists()


def test_what_a_journal_answered_is_told(folder: Path, command: Command) -> None:
    written(folder, "kept.py", KEPT)
    name = written(folder, "in.jsonl", '{"text": "a"}\n{"text": "b"}\n')
    assert command("run", "kept:say", "-i", name, "-o", "out.jsonl", "--limit", "1").stderr == (
        "typefold: 1 results in out.jsonl\n"
    )
    assert command("run", "kept:say", "-i", name, "-o", "again.jsonl").stderr == (
        "typefold: 2 results in again.jsonl, 1 answer from the journal\n"
    )


KEPT = """
from typefold import ask, configure, prompt
from typefold.runtime.engines.scripted import ScriptedEngine

configure(ScriptedEngine(lambda request: "x"), journal="run.db")


@prompt(temperature=0)
def say(text: str) -> str:
    return ask(text)
"""


class Seen(Progress):
    """The display of a run, and its counts."""

    all: ClassVar[list[Seen]] = []

    def __enter__(self) -> Self:
        self.wanted = progress._wanted(draw=True)
        self.all.append(self)
        return super().__enter__()


@pytest.mark.parametrize(("option", "shown"), [((), (Lines, 30.0)), (("--quiet",), None), (("-q",), None)])
def test_how_far_it_is_stands_on_standard_error_unless_it_is_to_be_quiet(
    option: tuple[str, ...], shown: object, folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TYPEFOLD_PROGRESS")
    monkeypatch.setattr("typefold.cli.run_command.Progress", Seen)
    Seen.all.clear()
    source = written(folder, "in.jsonl", '{"text": "a"}\n{"no": 1}\n{"text": "boom"}\nnonsense\n{"text": "b"}\n')
    done = command("run", "tickets.py:program", "-i", source, "-o", "out.jsonl", *option, "--where", "text != 'b'")
    assert done.exit_code == 1
    [seen] = Seen.all
    assert seen.wanted == shown
    assert (seen._done, seen._failed) == (5, 3)  # the last was left out
    assert progress._wanted(draw=True) is None  # the command alone shows it
