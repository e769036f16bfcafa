"""A folder of journals: a file for each writer, and answers from all."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from typefold import Journal, JournalError, Runtime, ask, prompt
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import JournalFolder, JournalInUse


@prompt(temperature=0)
def number(text: str) -> int:
    return ask(f"A number for {text}")


def asked(journal: Journal, *texts: str) -> int:
    """How many of these an engine was asked."""
    engine = ScriptedEngine()
    with Runtime(engine, journal=journal):
        number.map(texts)
    return len(engine.requests)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "deep" / "run"


def test_each_writer_has_a_file_and_reads_what_others_had_written(folder: Path) -> None:
    with JournalFolder(folder) as one:
        assert asked(one, "a", "b") == 2
        with JournalFolder(folder) as other:
            assert one.path != other.path
            assert asked(other, "a", "b", "c") == 1
            assert asked(one, "c") == 1, "what others write meanwhile is not looked for"
            with JournalFolder(folder) as third:
                assert asked(third, "a", "b", "c") == 0
        with JournalFolder(folder) as again:
            assert again.path == other.path, "the first file that nobody holds"


def test_files_of_other_machines_are_read_and_never_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "far.away")
        with JournalFolder(folder) as far:
            assert asked(far, "a") == 1
    assert far.path.name == "far-away-0.db"
    with JournalFolder(folder) as near:
        assert near.path != far.path
        assert asked(near, "a", "b") == 1


def test_a_file_that_is_just_being_made_holds_nothing_yet(folder: Path) -> None:
    with JournalFolder(folder) as one:
        (folder / "other-0.db").touch()
        with JournalFolder(folder) as other:
            assert asked(other, "a") == 1
            assert one.count() == 0


def test_a_damaged_file_is_named_and_its_writer_let_go(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "other-0.db").write_text("no journal at all, but long enough to be looked into" * 20)
    with pytest.raises(JournalError, match=r"other-0\.db: this is no journal"):
        JournalFolder(folder)
    (folder / "other-0.db").unlink()
    with JournalFolder(folder) as journal:
        assert journal.path.name.endswith("-0.db")


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="the folder can't be made"):
        JournalFolder(tmp_path / "file" / "run")


def test_a_journal_in_use_says_so_in_other_processes_too(tmp_path: Path) -> None:
    with Journal(tmp_path / "run.db"), pytest.raises(JournalInUse) as caught:
        Journal(tmp_path / "run.db")
    assert type(pickle.loads(pickle.dumps(caught.value))) is JournalInUse
