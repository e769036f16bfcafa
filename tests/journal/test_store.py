"""The journal's file: what is in it, who may open it, and what happens when it can't be written."""

# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import logging
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from typefold import Journal, JournalError, Runtime, ask, prompt, system, user
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import lock
from typefold.runtime.journal.file_format import FORMAT


@prompt(temperature=0.7)
def length(word: str) -> int:
    return ask(system("Count."), user(f"How long is {word}?"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def filled(path: Path, words: str = "abc") -> Path:
    with Runtime(ScriptedEngine(answers=lambda request: "1"), journal=path):
        length.map(list(words))
    return path


def test_a_record_says_what_was_asked_and_answered(path: Path) -> None:
    with Journal(filled(path), read_only=True) as journal:
        [first, *_] = journal.records()
    assert (first.id, first.function, first.row, first.attempt, first.text) == (1, "length", 0, 1, "1")
    assert first.model == "ScriptedEngine"
    assert first.prompt == [
        {"role": "system", "content": "Count."},
        {"role": "user", "content": "How long is a?\n\nAnswer with a JSON integer."},
    ] or isinstance(first.prompt, list)
    assert first.sampling == {"temperature": 0.7}
    assert (first.finish_reason, first.output_tokens) == ("stop", 2)
    assert json.loads(first.as_json())["text"] == "1"


def test_records_are_chosen_by_function_row_and_age(path: Path) -> None:
    with Journal(filled(path, "abcdef"), read_only=True) as journal:
        assert [record.row for record in journal.records(last=2)] == [4, 5]
        assert [record.row for record in journal.records(row=3)] == [3]
        assert list(journal.records(function="other")) == []
        [summary] = journal.summary()
        assert (summary.function, summary.calls, summary.output_tokens) == ("length", 6, 12)


def test_pruning_removes_what_was_named(path: Path) -> None:
    with Journal(filled(path)) as journal:
        assert journal.prune(before="2000-01-01") == 0
        assert journal.prune(function="length") == 3
        assert journal.count() == 0


def test_any_tool_can_read_the_file(path: Path) -> None:
    connection = sqlite3.connect(filled(path))
    rows = connection.execute("SELECT function, row, text, json_extract(prompt, '$[0].role') FROM calls").fetchall()
    connection.close()
    assert rows == [("length", row, "1", "system") for row in range(3)]


def test_it_can_be_read_while_a_run_writes(path: Path) -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "1"), journal=path):
        length("a")
        with Journal(path, read_only=True) as reading:
            assert reading.count() == 1
            length("b")
            assert reading.count() == 2
            with pytest.raises(JournalError, match="read only"):
                reading.prune()


def test_two_in_one_program_are_told_to_share(path: Path) -> None:
    with Journal(path), pytest.raises(JournalError, match="another part of this program is using it"):
        Journal(path)
    Journal(path).close()


def test_two_processes_on_one_file_are_refused(path: Path) -> None:
    with Journal(path):
        program = f"from typefold import Journal; Journal({str(path)!r})"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "is using it. Wait until that has ended, or name a file for each process" in done.stderr


def test_a_lock_that_was_removed_meanwhile_is_looked_for_again(path: Path) -> None:
    for _ in range(3):
        Journal(path).close()
    assert not path.with_name("run.db.lock").exists()


def test_another_database_is_left_as_it_is(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (a)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"a database, but no journal\. It was left as it is"):
        Journal(path)
    assert path.read_bytes() == before


def test_another_file_is_left_as_it_is(path: Path) -> None:
    path.write_text("What I did on my holidays. " * 100, encoding="utf-8")
    with pytest.raises(JournalError, match="no journal but some other file"):
        Journal(path)
    assert path.read_text(encoding="utf-8").startswith("What I did")


def test_a_later_format_is_refused(path: Path) -> None:
    connection = sqlite3.connect(filled(path))
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(JournalError, match=f"format {FORMAT + 1}; this one reads up to {FORMAT}"):
        Journal(path)


def test_damage_is_found_and_said(path: Path) -> None:
    filled(path, "abcdefgh" * 40)
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)  # all but the first page
    path.write_bytes(data)
    with pytest.raises(JournalError, match="damaged"), Journal(path) as journal:
        journal.damage()
        list(journal.records())


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="its folder can't be used"):
        Journal(tmp_path / "none" / "run.db")
    with pytest.raises(JournalError, match="no such file"):
        Journal(tmp_path / "run.db", read_only=True)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "names no file"),
        ("/dev/null", "is no regular file"),
        (".", "names no file"),
        ("a\0b", "names no file"),
        (":memory:", "nothing would be kept"),
    ],
)
def test_what_names_no_file_is_said(name: str, says: str) -> None:
    with pytest.raises(JournalError, match=says):
        Journal(name)


def test_a_journal_that_was_closed_says_so(path: Path) -> None:
    journal = Journal(path)
    journal.close()
    with pytest.raises(JournalError, match="it was closed; open it again"), Runtime(ScriptedEngine(), journal=journal):
        length("a")


@pytest.mark.parametrize("journal", [5, b"run.db", object()])
def test_what_is_no_journal_is_refused_as_the_runtime_is_made(journal: object) -> None:
    with pytest.raises(TypeError, match="journal is the path of a file, or a Journal"):
        Runtime(ScriptedEngine(), journal=journal)  # type: ignore[arg-type]


def test_a_network_filesystem_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def remote(folder: Path) -> str:
        return "nfs4"

    monkeypatch.setattr(lock, "_filesystem", remote)
    with pytest.raises(JournalError, match="network filesystem"):
        Journal(path)
    monkeypatch.setenv("TYPEFOLD_JOURNAL_ANYWHERE", "1")
    Journal(path).close()


def test_the_filesystem_of_a_folder_is_known(tmp_path: Path) -> None:
    kind = lock._filesystem(tmp_path.resolve())
    assert kind is None or (sys.platform == "linux" and kind.isprintable())


def limited(journal: Journal, pages: int) -> None:
    """Let the file get no larger: sqlite says then what it says of a full disk."""
    assert journal._writer is not None
    journal._writer.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_ends_the_batch_and_loses_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = ScriptedEngine(answers=lambda request: "1" * 200, max_num_seqs=4)
    with Journal(path) as journal, caplog.at_level(logging.CRITICAL):
        with Runtime(engine, journal=journal):
            limited(journal, 40)
            with pytest.raises(JournalError, match=r"the disk is full\. Everything that was written before is kept"):
                length.map(map(str, range(2000)))
            generated, kept = len(engine.requests), journal.count()
            assert 0 < kept < generated < 2000
            with pytest.raises(JournalError):  # before anything more is paid for
                length("more")
            assert len(engine.requests) == generated
            limited(journal, 1 << 20)
            length("more")  # there is room again: what could not be written is written now
            assert journal.count() > kept + 1
        assert journal.damage() == []


def test_a_file_that_can_t_be_written_is_said(path: Path) -> None:
    with Journal(path) as journal, Runtime(ScriptedEngine(answers=lambda request: "1"), journal=journal):
        assert journal._writer is not None
        journal._writer.execute("PRAGMA query_only = ON")
        with pytest.raises(JournalError, match="can't be written here"):
            length("a")
        journal._writer.execute("PRAGMA query_only = OFF")


def test_threads_share_a_journal(path: Path) -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "1"), journal=path) as runtime:

        def work(name: str) -> None:
            length.using(runtime=runtime).map([f"{name}{row}" for row in range(50)])

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Journal(path, read_only=True) as journal:
        assert journal.count() == 200


def test_runtimes_that_share_a_journal_write_beside_each_other(path: Path) -> None:
    def work(journal: Journal, name: str) -> None:
        with Runtime(ScriptedEngine(answers=lambda request: "1", max_num_seqs=4), journal=journal) as runtime:
            length.using(runtime=runtime).map([f"{name}{row}" for row in range(300)])

    with Journal(path) as journal:
        threads = [threading.Thread(target=work, args=(journal, name)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert journal.count() == 1200


def test_texts_that_are_no_texts_can_be_kept(path: Path) -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "1\x00\U0001f600"), journal=path):
        text = prompt(_echo)("a\x00b")
    with Journal(path, read_only=True) as journal:
        assert [record.text for record in journal.records()] == [text] == ["1\x00\U0001f600"]


def _echo(word: str) -> str:
    return ask(word)


def test_the_error_survives_pickle() -> None:
    error = JournalError(Path("run.db"), "it is full")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.reason) == (str(error), error.path, error.reason)


@pytest.mark.parametrize("last", [0, -1])
def test_no_last_records_are_none(path: Path, last: int) -> None:
    with Journal(filled(path), read_only=True) as journal:
        if last:
            with pytest.raises(ValueError, match="last=-1: give a number of records, 0 or more"):
                list(journal.records(last=last))
        else:
            assert list(journal.records(last=last)) == []
        assert len(list(journal.records(last=9))) == 3
        assert list(journal.records(last=9, function="other")) == []


@pytest.mark.parametrize(
    ("before", "count"),
    [
        ("2026-01-31 18:00", 1),
        ("2026-01-31T18:00", 1),
        ("2026-01-31 18:00:00.001", 2),
        ("2026-01-31T20:00+02:00", 1),
        ("2026-01-31T17:00-02:00", 2),
        ("2026-01-31T18:00Z", 1),
        ("20260131T190000", 2),
        ("2026-02-01", 2),
        ("2026-01-31", 0),
    ],
)
def test_times_are_read_as_iso_8601_writes_them(path: Path, before: str, count: int) -> None:
    with Journal(filled(path)) as journal:
        with journal._transaction() as writer:
            for number, time in enumerate(("17:59:59.999", "18:00:00.000"), 1):
                writer.execute("UPDATE calls SET finished = ? WHERE id = ?", (f"2026-01-31T{time}+00:00", number))
        assert (journal.count(before=before), journal.prune(before=before)) == (count, count)


@pytest.mark.parametrize("before", ["yesterday", "", "0001-01-01T00:00+05:00"])
def test_what_is_no_time_removes_nothing(path: Path, before: str) -> None:
    with Journal(filled(path)) as journal:
        for asked in (journal.count, journal.prune):
            with pytest.raises(ValueError, match="write a date or a time"):
                asked(before=before)
        assert journal.count() == 3


def test_every_table_is_documented_by_what_is_in_it(path: Path) -> None:
    with Journal(filled(path), read_only=True):
        tables = sqlite3.connect(path).execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    assert sorted(tables) == [("calls",), ("models",)]


def test_what_lies_in_the_place_of_a_lock_and_is_none_is_left_as_it_is(path: Path) -> None:
    precious = path.with_name("precious")
    precious.write_text("[[package]]")
    lock_file = path.with_name("run.db.lock")
    for put in (
        lambda: lock_file.write_text("[[package]]"),
        lambda: lock_file.symlink_to(precious),
        lambda: lock_file.hardlink_to(precious),
        lambda: os.mkfifo(lock_file),
        lambda: lock_file.symlink_to("/dev/null"),
    ):
        put()
        with pytest.raises(JournalError, match=r"run\.db\.lock, where its lock would be, is some other file"):
            Journal(path)
        assert lock_file.is_symlink() or lock_file.is_fifo() or lock_file.read_text() == "[[package]]"
        lock_file.unlink()
    assert precious.read_text() == "[[package]]"


def test_a_lock_that_another_took_after_it_was_removed_stays(path: Path) -> None:
    first = Journal(path)
    lock_file = path.with_name("run.db.lock")
    lock_file.unlink()
    second = Journal(path)
    first.close()
    assert lock_file.exists()
    second.close()
    assert not lock_file.exists()


def test_a_link_that_leads_to_itself_is_no_journal(path: Path) -> None:
    path.symlink_to(path)
    with pytest.raises(JournalError, match="the file can't be opened or made"):
        Journal(path)
    assert [file.name for file in path.parent.iterdir()] == ["run.db"]


def test_a_file_that_is_lost_while_it_is_open_ends_the_program_and_what_was_written_is_kept(path: Path) -> None:
    def lose() -> None:
        path.rename(path.with_name("moved.db"))

    def replace() -> None:
        lose()
        filled(path.with_name("other.db"), "xyz").rename(path)

    def lose_log() -> None:
        path.with_name("run.db-wal").unlink()

    for change, left in ((path.unlink, None), (lose, "moved.db"), (replace, "moved.db"), (lose_log, "run.db")):
        with (
            Runtime(ScriptedEngine(answers=lambda request: "1"), journal=path) as runtime,
            pytest.raises(JournalError, match="was removed, moved or replaced while it was open"),
        ):
            length("kept")
            change()
            length.map(list("abc"))
        assert runtime.stats.submitted == 4
        if left is not None:
            with Journal(path.with_name(left), read_only=True) as journal:
                assert "How long is kept?" in str([record.prompt for record in journal.records()])
        for file in path.parent.iterdir():
            file.unlink()


def test_a_file_that_its_process_was_killed_over_reads_as_an_empty_journal_until_it_has_tables(path: Path) -> None:
    path.touch()
    with Journal(path, read_only=True) as reader:
        assert (reader.count(), reader.last, reader.models(), list(reader.records()), reader.damage()) == (
            0,
            0,
            [],
            [],
            [],
        )
        assert (reader.find(b"key"), reader.summary()) == (None, [])
        with Journal(path) as journal, Runtime(ScriptedEngine(answers=["yes"]), journal=journal):
            assert ask_once() == "yes"
            assert (reader.count(), reader.last) == (1, 1)


@prompt(temperature=0)
def ask_once() -> str:
    return ask("Say yes.")
