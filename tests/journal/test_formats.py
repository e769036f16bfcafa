"""Every version of the file stays readable: one sample of each is kept, and is answered from."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journal.samples import FOLDER, TOO_LONG, FolderEngine, outcomes, requests
from typefold import Journal, JournalError, PromptTooLong, Runtime
from typefold.runtime import Outcome
from typefold.runtime.journal.file_format import FORMAT
from typefold.testing.cassette import settle
from typefold.testing.replay import ReplayRuntime

VERSIONS = [*range(1, FORMAT + 1)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the samples, in which files may be changed; the names in them are those of this folder."""
    shutil.copytree(FOLDER, tmp_path / "formats")
    monkeypatch.chdir(tmp_path / "formats")
    yield tmp_path / "formats"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Answers of today's engine of the samples: the same, but for each second request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(FOLDER)
        with Runtime(FolderEngine()) as runtime:
            return outcomes(runtime.submit(requests()))


def test_there_is_a_sample_of_each_version() -> None:
    for kind in ("journal", "recording"):
        versions = []
        for version in VERSIONS:
            database = sqlite3.connect(f"{kind}-{version}.db")
            versions += database.execute("PRAGMA user_version").fetchone()
            database.close()
        assert versions == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_journal_of_each_version_answers_all_that_it_holds(version: int, asked: list[Outcome]) -> None:
    engine = FolderEngine()
    with Runtime(engine, journal=f"journal-{version}.db") as runtime:
        assert outcomes(runtime.submit(requests())) == asked
        assert runtime.stats.from_journal == len(asked)
    assert engine.requests == []
    with Journal(f"journal-{version}.db", read_only=True) as journal:
        assert journal.damage() == []
        assert journal.count(function="sampled") == 2


@pytest.mark.parametrize("kind", ["journal", "recording"])
@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_is_read_as_it_is(version: int, kind: str, folder: Path, asked: list[Outcome]) -> None:
    path = folder / f"{kind}-{version}.db"
    before = path.read_bytes()
    with Journal(path, read_only=True) as journal:
        texts = [record.text for record in journal.records() if record.failure is None]
        assert sorted(texts) == sorted(each.text for each in asked)
        assert journal.damage() == []
        assert [summary.calls for summary in journal.summary() if summary.function == "sampled"] == [2]
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recording_of_each_version_is_replayed(version: int, asked: list[Outcome]) -> None:
    with (
        Journal(f"recording-{version}.db", read_only=True) as journal,
        ReplayRuntime(journal, journal.models()[0], behind=None, remedy="") as runtime,
    ):
        assert outcomes(runtime.submit(requests())) == asked


def test_what_was_begun_with_the_first_format_goes_on_with_checksums(
    asked: list[Outcome], caplog: pytest.LogCaptureFixture
) -> None:
    first, *others = requests()
    with Runtime(FolderEngine(), journal="journal-1.db") as runtime, caplog.at_level(logging.WARNING):
        assert outcomes(runtime.submit([first, *others])) == asked
        outcomes(runtime.submit(requests()))  # sampled ones are new ones now
    assert [record.getMessage() for record in caplog.records] == [
        f"the journal {Path('journal-1.db').absolute()} has answers of model from an earlier typefold, which knew a model by the first and last MiB "
        "of each file of weights: they are used. If its weights were changed in between, run once with ignore_journal=True"
    ]
    with sqlite3.connect("journal-1.db") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (FORMAT,)
        assert database.execute("SELECT count(*), count(checksum) FROM calls").fetchone() == (10, 10)


def test_answers_of_the_first_format_are_of_the_model_that_has_the_same_edges(asked: list[Outcome]) -> None:
    Path("model/model.safetensors").write_bytes(b"v" * 300)
    engine = FolderEngine()
    with Runtime(engine, journal="journal-1.db") as runtime:
        outcomes(runtime.submit(requests()))
    assert len(engine.requests) == len(asked)


def test_a_damaged_text_of_the_first_format_is_an_error_and_no_answer() -> None:
    path = Path("journal-1.db")
    path.write_bytes(path.read_bytes().replace(b"Hills keeps", b"\xffills keeps"))
    for read_only in (True, False):
        with (
            Journal(path, read_only=read_only) as journal,
            pytest.raises(JournalError, match=r"record 7 \('adapted'\) is not as it was written"),
        ):
            list(journal.records())


def test_a_failure_that_was_kept_is_told_again() -> None:
    with Runtime(FolderEngine(), journal="journal-2.db") as runtime:
        [future] = runtime.submit([TOO_LONG])
        error = future.exception(60)
        assert runtime.stats.from_journal == 1
    assert isinstance(error, PromptTooLong)
    assert (error.prompt_tokens, error.max_model_len, error.function, error.row) == (2000, 1000, "too_long", 4)


@pytest.mark.parametrize("target", ["recording-1.db", "new.db"])
def test_a_recording_of_the_first_format_is_settled_as_one_of_this(target: str) -> None:
    Journal("journal-1.db").close()
    path = Path(target)
    made = not path.exists()
    if not made:
        path.chmod(0o640)
    assert settle(Path("journal-1.db"), path) is made, "the same answers in another format are no reason to write"
    assert settle(Path("journal-1.db"), path, keep=True) is False
    assert path.stat().st_mode & 0o777 == (0o600 if made else 0o640)
    with Journal(path, read_only=True) as journal:
        assert journal.damage() == []
        assert journal.count() == 8
