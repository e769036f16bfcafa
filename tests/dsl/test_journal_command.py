"""`typefold journal`: what it prints and writes, what it removes, and how it ends."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from typefold import Journal, Runtime, ask, prompt
from typefold.cli.app import app
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt(temperature=0.7)
def length(word: str) -> int:
    return ask(f"How long is {word}?")


@prompt
def tell(topic: str) -> str:
    return ask(f"Tell of {topic}.")


def answer(request: Request) -> str:
    return "It rained.\n[bold]Much\x1b[31m." if request.function == "tell" else "3"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with three requests of `length` and one of `tell`."""
    path = tmp_path / "run.db"
    with Runtime(ScriptedEngine(answers=answer), journal=path):
        length.map(["one", "two", "six"])
        tell("rain")
    return path


def typefold(*arguments: object, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ["journal", *map(str, arguments)], input=answer)


# --- info ------------------------------------------------------------------------------------------------------------


def test_an_export_of_which_nothing_could_be_read_leaves_an_earlier_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text("old\n", encoding="utf-8")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE calls SET text = 'x'")
    result = typefold("export", path, "-o", tmp_path / "old.jsonl")
    assert (result.exit_code, "nothing could be read, so nothing was written" in result.stderr) == (1, True)
    assert (tmp_path / "old.jsonl").read_text(encoding="utf-8") == "old\n"


def test_info_counts_by_function_and_model(path: Path) -> None:
    result = typefold("info", path)
    assert (result.exit_code, result.stderr) == (0, "")
    first, header, *rows = result.stdout.splitlines()
    assert first.startswith(f"{path}: 4 requests, ")
    assert header.split() == ["function", "model", "requests", "prompt", "tokens", "output", "tokens", "last"]
    assert [row.split()[:3] for row in rows] == [["length", "ScriptedEngine", "3"], ["tell", "ScriptedEngine", "1"]]
    with Journal(path, read_only=True) as journal:
        summary = journal.summary()[0]
    assert rows[0].split()[3:5] == [f"{summary.prompt_tokens}", f"{summary.output_tokens}"]


def test_info_checks_that_a_file_is_sound(path: Path) -> None:
    assert "sound: every page was read" in typefold("info", path, "--check").stdout
    with sqlite3.connect(path) as database:  # an index that does not know a row
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'sqlite_autoindex_calls_1'")
    database.close()
    result = typefold("info", path, "--check")
    assert result.exit_code == 1
    assert "typefold: " in result.stderr


def test_info_of_an_empty_journal(tmp_path: Path) -> None:
    Journal(tmp_path / "new.db").close()
    result = typefold("info", tmp_path / "new.db")
    assert result.exit_code == 0
    assert ": 0 requests, " in result.stdout


# --- show ------------------------------------------------------------------------------------------------------------


def test_show_prints_what_was_asked_and_answered(path: Path) -> None:
    result = typefold("show", path, "--function", "length", "-n", 2)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "2  length, row 1"
    assert "ScriptedEngine" in lines[1] and "2 out, stop, temperature=0.7" in lines[1]
    assert lines[2:6] == ["  system", "    Answer with an integer.", "  user", "    How long is two?"]
    assert lines[-3:] == ["  answer (grammar)", "    3", ""]
    assert "3  length, row 2" in lines


def test_show_lets_no_text_act(path: Path) -> None:
    result = typefold("show", path, "--function", "tell")
    assert "    It rained.\n    [bold]Much\\x1b[31m.\n" in result.stdout
    assert "\x1b" not in result.stdout


def test_show_cuts_long_texts_unless_told_not_to(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with Runtime(ScriptedEngine(answers=lambda request: "a" * 1000), journal=path):
        tell("rain")
    assert "a ... and 600 characters more" in typefold("show", path).stdout
    assert "a" * 1000 in typefold("show", path, "--full").stdout


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ([], ["1", "2", "3", "4"]),
        (["--row", 0], ["1"]),
        (["--model", "ScriptedEngine", "-n", 1], ["4"]),
        (["--function", "length", "--row", 2], ["3"]),
    ],
)
def test_show_takes_only_what_is_named(path: Path, filters: list[object], ids: list[str]) -> None:
    lines = typefold("show", path, *filters).stdout.splitlines()
    assert [line.split()[0] for line in lines if line[:1].isdigit()] == ids


def test_show_says_where_there_is_none(path: Path) -> None:
    result = typefold("show", path, "--function", "other")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"typefold: {path} holds no such request\n"


# --- export ----------------------------------------------------------------------------------------------------------


def test_export_writes_json_lines(path: Path, tmp_path: Path) -> None:
    result = typefold("export", path)
    assert (result.exit_code, result.stderr) == (0, "")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(record["function"], record["row"]) for record in records] == [
        ("length", 0),
        ("length", 1),
        ("length", 2),
        ("tell", None),
    ]
    assert [each["content"] for each in records[0]["prompt"]] == ["Answer with an integer.", "How long is one?"]
    written = typefold("export", path, "--function", "tell", "-o", tmp_path / "tell.jsonl")
    assert written.stdout == ""
    assert written.stderr == f"typefold: wrote 1 request to {tmp_path / 'tell.jsonl'}\n"
    assert json.loads((tmp_path / "tell.jsonl").read_text(encoding="utf-8")) == records[3]


def test_export_may_be_cut_off_by_who_reads_it(path: Path) -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "a" * 100_000), journal=path):
        tell.map(map(str, range(20)))
    command = [sys.executable, "-c", "from typefold.cli.app import main; main()", "journal", "export", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b'{"id": 1')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


def test_export_says_where_it_can_t_write(path: Path, tmp_path: Path) -> None:
    result = typefold("export", path, "-o", tmp_path / "none" / "x.jsonl")
    assert result.exit_code == 2
    assert "x.jsonl can't be written: No such file or directory" in result.stderr


# --- prune -----------------------------------------------------------------------------------------------------------


def test_prune_asks_and_removes(path: Path) -> None:
    result = typefold("prune", path, "--function", "length", answer="n\n")
    assert result.exit_code == 1
    assert "Remove 3 requests of 4?" in result.stderr
    assert "typefold: nothing was removed" in result.stderr
    result = typefold("prune", path, "--function", "length", answer="y\n")
    assert result.exit_code == 0
    assert "typefold: removed 3 requests" in result.stderr
    with Journal(path, read_only=True) as journal:
        assert [record.function for record in journal.records()] == ["tell"]


def test_prune_by_model_and_time_without_asking(path: Path) -> None:
    assert "holds no such request" in typefold("prune", path, "--before", "2026-01-31", "--yes").stderr
    assert "holds no such request" in typefold("prune", path, "--model", "other", "--yes").stderr
    after = typefold("prune", path, "--model", "ScriptedEngine", "--before", "2999-01-31T18:00+02:00", "--yes")
    assert after.stderr == "typefold: removed 4 requests\n"


def test_prune_wants_to_know_what(path: Path) -> None:
    result = typefold("prune", path, "--yes")
    assert result.exit_code == 2
    assert "say what to remove: --function, --model, --before or --damaged" in result.stderr
    result = typefold("prune", path, "--before", "yesterday")
    assert result.exit_code == 2
    assert "--before yesterday: write a date or a time, as 2026-01-31" in result.stderr


def test_prune_leaves_a_journal_in_use_alone(path: Path) -> None:
    with Journal(path):
        result = typefold("prune", path, "--function", "tell", "--yes")
        assert typefold("info", path).exit_code == 0  # reading goes on beside it
    assert result.exit_code == 1
    assert "is using it" in result.stderr


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["info", "show", "export", "prune"])
def test_a_file_that_is_not_there_is_said_and_not_made(tmp_path: Path, command: str) -> None:
    result = typefold(command, tmp_path / "none.db", *(["--function", "x"] if command == "prune" else []))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"typefold: there is no {tmp_path / 'none.db'}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["info", "show", "export", "prune"])
def test_a_file_that_is_no_journal_is_said(tmp_path: Path, command: str) -> None:
    (tmp_path / "notes.txt").write_text("What I did. " * 100, encoding="utf-8")
    result = typefold(command, tmp_path / "notes.txt", *(["--function", "x"] if command == "prune" else []))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"typefold: the journal {tmp_path / 'notes.txt'}: this is no journal")


def test_help_has_examples() -> None:
    assert "typefold journal show run.db" in typefold("--help").stdout
    for command in ("info", "show", "export", "prune"):
        assert f"Example: typefold journal {command} run.db" in typefold(command, "--help").stdout
