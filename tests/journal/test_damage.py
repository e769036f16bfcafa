"""Damage to any bytes of a journal: an answer is the true one, or a new one, or there is a `JournalError`."""

# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.journal.samples import FOLDER, FolderEngine, outcomes
from tests.journal.samples import requests as samples
from typefold import Journal, JournalError, Runtime, system, user
from typefold.cli.app import app
from typefold.runtime import Outcome, Request
from typefold.runtime.engine import EngineFacts
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.testing.replay import NotRecorded, ReplayRuntime

NEW = "asked anew"
TOO_LONG = Request(prompt="x" * 500, function="too_long")


def true_answer(request: Request) -> str:
    return f"pay {100 + (request.row or 0)} dollars to Zoë"


def requests() -> list[Request]:
    """Rows enough for several pages, with every kind of column."""
    turns = (system("Be brief."), user("How much?"))
    plain = [
        Request(prompt=turns, sampling={"temperature": 0.5}, place=b"%d" % row, row=row, function="plain")
        for row in range(25)
    ]
    return [*plain, Request(prompt="raw", sampling={"seed": 1, "logprobs": 1}, row=99, function="logged")]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal at rest, and beside it one with its log."""
    folder = tmp_path_factory.mktemp("sound")
    engine = ScriptedEngine(answers=true_answer, max_model_len=400)
    with Runtime(engine, journal=folder / "run.db") as runtime:
        outcomes(runtime.submit(requests()))
        runtime.submit([TOO_LONG])[0].exception(60)
        for path in (folder / "run.db", folder / "run.db-wal"):  # as a kill would leave them
            shutil.copyfile(path, folder / path.name.replace("run", "killed"))
    return folder


def hears(path: Path, *, read_only: bool = False) -> list[Outcome]:
    """Answers for a program that is run again with a file, and for people who look into it."""
    engine = ScriptedEngine(answers=lambda request: NEW, max_model_len=400)
    with Journal(path, read_only=read_only) as journal:
        if read_only:
            list(journal.records())
            journal.summary()
            journal.count()
            journal.models()
            return []
        with Runtime(engine, journal=journal) as runtime:
            found = outcomes(runtime.submit(requests()))
            runtime.submit([TOO_LONG])[0].exception(60)
            assert isinstance(runtime.facts, EngineFacts)
            return found


def check(path: Path, truth: list[Outcome]) -> str:
    """Run with a file: an answer is as it was written, or new, or there is the one error for damage."""
    with suppress(JournalError):
        hears(path, read_only=True)
    try:
        found = hears(path)
    except JournalError as error:
        assert "run.db" in str(error) or "killed.db" in str(error)
        return "error"
    for outcome, true in zip(found, truth, strict=True):
        assert outcome == true or outcome.text == NEW
    return "new" if any(outcome.text == NEW for outcome in found) else "true"


@pytest.fixture(scope="module")
def truth(sound: Path) -> list[Outcome]:
    engine = ScriptedEngine(answers=true_answer, max_model_len=400)
    with Runtime(engine) as runtime:
        found = outcomes(runtime.submit(requests()))
    return [replace(each) for each in found]


Change = Callable[[bytearray], None]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """A flipped bit, a run of other bytes, an end that is missing, or two pages in each other's place."""
    kind = draw(st.sampled_from(["bit", "bit", "bit", "bytes", "cut", "swap", "zeros"]))
    at, more = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(0, 2**32 - 1))

    def change(data: bytearray) -> None:
        place = int(at * len(data))
        match kind:
            case "bit":
                data[place] ^= 1 << more % 8
            case "bytes":
                data[place : place + 4] = more.to_bytes(4, "big")[: max(0, len(data) - place)]
            case "cut":
                del data[place:]
            case "zeros":
                page = place // 4096 * 4096
                data[page : page + 4096] = bytes(len(data[page : page + 4096]))
            case _:
                one, other = place // 4096 * 4096, more % max(1, len(data) // 4096) * 4096
                data[one : one + 4096], data[other : other + 4096] = (
                    data[other : other + 4096],
                    data[one : one + 4096],
                )

    return change


@pytest.mark.parametrize("name", ["run.db", "killed.db", "killed.db-wal"])
@seed(20)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=changes(), again=changes(), twice=st.booleans())
def test_no_change_of_bytes_makes_another_answer(
    sound: Path, truth: list[Outcome], tmp_path: Path, name: str, change: Change, again: Change, twice: bool
) -> None:
    shutil.rmtree(tmp_path)
    shutil.copytree(sound, tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    change(data)
    if twice and data:
        again(data)
    (tmp_path / name).write_bytes(data)
    check(tmp_path / name.removesuffix("-wal"), truth)


@seed(21)
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=changes(), again=changes())
def test_a_damaged_file_of_the_first_format_has_no_other_error(tmp_path: Path, change: Change, again: Change) -> None:
    data = bytearray((FOLDER / "journal-1.db").read_bytes())
    change(data)
    if data:
        again(data)
    path = tmp_path / "run.db"
    path.write_bytes(data)
    for read_only in (True, False):
        with suppress(JournalError), Journal(path, read_only=read_only) as journal:
            with suppress(JournalError):
                list(journal.sound_records())
            with suppress(JournalError):
                journal.damage()
            with suppress(JournalError), Runtime(FolderEngine(), journal=journal) as runtime:
                outcomes(runtime.submit(samples()))
    path.unlink()


def test_every_bit_of_an_answer_is_under_its_checksum(sound: Path, truth: list[Outcome], tmp_path: Path) -> None:
    good = (sound / "run.db").read_bytes()
    for what in (b"pay 107 dollars", b"[112,97,121,32,49,48,55", b'"max_logprobs"', b'"error": "PromptTooLong"'):
        at = good.index(what)
        for bit in range(0, 8 * len(what), 5):
            data = bytearray(good)
            data[at + bit // 8] ^= 1 << bit % 8
            (tmp_path / "run.db").write_bytes(data)
            assert check(tmp_path / "run.db", truth) == "error"


def changed(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()


@pytest.mark.parametrize(
    "change",
    [
        "text = 'pay 1 dollar'",
        "text = x'00ff'",
        "text = NULL",
        "finish_reason = 'stopp'",
        "prompt_tokens = 2.5",
        "prompt_tokens = 9000000000000000000",
        "max_tokens = 'many'",
        "token_ids = '[1, 2'",
        "token_ids = CAST(x'5b31ff5d' AS TEXT)",
        "logprobs = '[[1]]'",
        "finished = 17",
        "prompt = '{'",
        "sampling = 'x'",
        "function = 'other'",
        "failure = '{}'",
        "checksum = NULL",
        "checksum = 5",
        "key = x'00'",
        "row = row + 1",
    ],
)
def test_every_column_is_under_the_checksum(sound: Path, tmp_path: Path, change: str) -> None:
    path = tmp_path / "run.db"
    shutil.copyfile(sound / "run.db", path)
    writable = "PRAGMA ignore_check_constraints = 1"
    changed(path, writable)
    try:
        changed(path, f"UPDATE calls SET {change} WHERE id = 3")
    except sqlite3.IntegrityError:
        pytest.skip("the schema refuses it already")
    with Journal(path, read_only=True) as journal:
        with pytest.raises(JournalError, match=r"record 3 \("):
            list(journal.records())
        assert [what.split(" (")[0] for what in journal.damage()] == ["record 3"]


def test_what_is_damaged_is_found_and_removed_and_the_rest_is_saved(
    sound: Path, truth: list[Outcome], tmp_path: Path
) -> None:
    path, saved = tmp_path / "run.db", tmp_path / "saved.jsonl"
    shutil.copyfile(sound / "run.db", path)
    changed(path, "UPDATE calls SET text = 'pay 1 dollar' WHERE id IN (3, 20)")
    changed(path, "UPDATE models SET facts = '{}'")

    def typefold(*arguments: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["journal", *map(str, arguments)])
        return result.exit_code, result.stderr

    status, said = typefold("info", path, "--check")
    assert (status, said.count("is not as it was written")) == (1, 3)
    status, said = typefold("export", path, "-o", saved)
    assert status == 1
    assert "record 3 (" in said
    assert "record 20 (" in said
    assert len(saved.read_text(encoding="utf-8").splitlines()) == 25
    status, said = typefold("show", path, "-n", 27)
    assert status == 1
    assert typefold("prune", path, "--damaged", "--function", "plain")[0] == 2
    status, said = typefold("prune", path, "--damaged", "--yes")
    assert (status, said) == (0, "typefold: removed 3 damaged records\n")
    assert typefold("prune", path, "--damaged", "--yes") == (0, f"typefold: {path} holds nothing that is damaged\n")
    found = hears(path)
    assert [outcome.text == NEW for outcome in found].count(True) == 2
    assert hears(path) == found


def test_what_lies_around_a_page_that_is_lost_is_exported(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    asked = [Request(prompt="x" * 300, sampling={"temperature": 0.5}, place=b"%d" % row, row=row) for row in range(300)]
    with Runtime(ScriptedEngine(answers=true_answer), journal=path) as runtime:
        outcomes(runtime.submit(asked))
    data = bytearray(path.read_bytes())
    page = data.index(b"pay 250 dollars") // 4096 * 4096
    data[page : page + 4096] = bytes(4096)
    path.write_bytes(data)
    result = CliRunner().invoke(app, ["journal", "export", str(path), "-o", str(tmp_path / "saved.jsonl")])
    assert result.exit_code == 1
    assert result.stderr.count("the file is damaged") == 1
    saved = (tmp_path / "saved.jsonl").read_text(encoding="utf-8").splitlines()
    assert 280 < len(saved) < 300
    assert all(f"pay {100 + row} dollars" in "".join(saved) for row in (0, 299))


def test_an_index_that_leads_to_another_row_is_damage(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    shutil.copyfile(sound / "run.db", path)
    database = sqlite3.connect(path)
    [(key,)] = database.execute("SELECT key FROM calls WHERE id = 5")
    [(page,)] = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_calls_1'")
    database.close()
    data = bytearray(path.read_bytes())
    at = data.index(key, (page - 1) * 4096)
    assert data[at + len(key)] == 5  # the number of its row, which stands behind it
    data[at + len(key)] = 6
    path.write_bytes(data)
    with Journal(path) as journal, pytest.raises(JournalError, match="is not as it was written"):
        journal.find(key)


def test_a_damaged_recording_is_an_error_of_the_journal(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    shutil.copyfile(sound / "run.db", path)
    changed(path, "UPDATE calls SET text = 'pay 1 dollar' WHERE id = 3")
    with Journal(path, read_only=True) as journal:
        [model] = journal.models()
        with ReplayRuntime(journal, model, behind=None, remedy="") as runtime:
            with pytest.raises(JournalError, match="record 3"):
                outcomes(runtime.submit(requests()))
            with pytest.raises(JournalError, match="record 3"):  # it looks for the nearest prompt
                runtime.submit([Request(prompt="other", function="plain")])
            with pytest.raises(NotRecorded):
                runtime.submit([Request(prompt="other", function="logged")])
    changed(path, "UPDATE models SET name = 'other'")
    with (
        Journal(path, read_only=True) as journal,
        pytest.raises(JournalError, match="the record of the model 'other'"),
    ):
        journal.models()
