"""Files that hold people's texts are for their owner alone, and a journal may be kept without prompts."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from typefold import Journal, PromptTooLong, Runtime, ask, prompt
from typefold.cli.app import app
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal import JournalFolder
from typefold.runtimes import runtime as runtime_module
from typefold.testing.cassette import settle


def scripted(*_: object, **__: object) -> ScriptedEngine:
    return ScriptedEngine()


SECRET = "Ada Lovelace, 12 Marylebone"


@prompt(seed=1, stop=["Ada Lovelace"])
def tell(name: str) -> str:
    return ask(f"Tell of {name}.")


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}


def test_all_files_of_a_journal_are_for_their_owner_alone(tmp_path: Path) -> None:
    with Runtime(ScriptedEngine(), journal=tmp_path / "run.db"):
        tell("a")
        assert modes(tmp_path) == dict.fromkeys(["run.db", "run.db-wal", "run.db-shm", "run.db.lock"], "0o600")
    with Journal(tmp_path / "run.db") as journal:
        journal.prune(function="tell")
    assert modes(tmp_path) == {"run.db": "0o600"}


def test_recordings_and_folders_of_journals_are_so_too(tmp_path: Path) -> None:
    with JournalFolder(tmp_path / "folder") as journal, Runtime(ScriptedEngine(), journal=journal):
        tell("a")
    assert set(modes(tmp_path / "folder").values()) == {"0o600"}
    [path] = (tmp_path / "folder").glob("*.db")
    settle(path, tmp_path / "recording.db")
    assert modes(tmp_path)["recording.db"] == "0o600"


def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    Journal(path).close()
    path.chmod(0o640)
    with Runtime(ScriptedEngine(), journal=path):
        tell("a")
        assert {name: mode for name, mode in modes(tmp_path).items() if name != "run.db.lock"} == dict.fromkeys(
            ["run.db", "run.db-wal", "run.db-shm"], "0o640"
        )


def test_without_prompts_only_the_key_and_the_answer_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    engine = ScriptedEngine(max_model_len=200)
    with Journal(path, prompts=False) as journal, Runtime(engine, journal=journal):
        first = tell(SECRET)
        with pytest.raises(PromptTooLong):
            tell(SECRET * 20)
        assert all(b"Lovelace" not in file.read_bytes() for file in tmp_path.iterdir())
    for prompts in (True, False):
        again = ScriptedEngine(max_model_len=200)
        with Journal(path, prompts=prompts) as journal, Runtime(again, journal=journal) as runtime:
            assert tell(SECRET) == first
            with pytest.raises(PromptTooLong):
                tell(SECRET * 20)
            assert (again.requests, runtime.stats.from_journal) == ([], 2)
    with Journal(path, read_only=True) as journal:
        [record, failure] = journal.records()
    assert (record.prompt, record.text, record.sampling) == (None, first, {"seed": 1})
    assert failure.failure is not None
    shown = CliRunner().invoke(app, ["journal", "show", str(path)])
    assert "(the prompt was not kept)" in shown.stdout
    assert "no model was asked: PromptTooLong, prompt_tokens=" in shown.stdout
    exported = CliRunner().invoke(app, ["journal", "export", str(path)])
    assert [json.loads(line)["prompt"] for line in exported.stdout.splitlines()] == [None, None]


def test_the_command_line_keeps_no_prompts_where_it_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "without_prompts.py").write_text(
        "from typefold import Runtime, ask, configure, prompt\n"
        "from typefold.runtime.engines.scripted import ScriptedEngine\n"
        "@prompt\n"
        "def tell(name: str) -> str:\n"
        "    return ask(f'Tell of {name}.')\n",
        encoding="utf-8",
    )
    (tmp_path / "in.jsonl").write_text(json.dumps({"name": SECRET}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runtime_module, "engine_of", scripted)
    command = ["run", "without_prompts.py:tell", "-i", "in.jsonl", "-o", "out.jsonl", "--model", "org/name"]
    result = CliRunner().invoke(app, [*command, "--journal", "run.db", "--no-journal-prompts"])
    assert result.exit_code == 0, result.output
    with Journal("run.db", read_only=True) as journal:
        assert [record.prompt for record in journal.records()] == [None]
