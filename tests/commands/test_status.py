"""`typefold status`: how far a job is, how fast, what failed; while it runs, when it has ended, after it was killed."""

# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Command
from typefold import Runtime, ask, prompt
from typefold.cli.jobs.status_command import JobStatus, _speed, status_of
from typefold.runtime.engines.scripted import ScriptedEngine

PROGRAM = """
import json
import os
import signal
from pathlib import Path
import typefold.cli.jobs.status_command as told
from typefold import ask, configure, prompt
from typefold.runtime.engines.scripted import ScriptedEngine

told._EVERY = 0
configure(ScriptedEngine(answers=lambda request: "fine", max_num_seqs=1), journal="run.db")

@prompt(temperature=0)
def say(text: str) -> str:
    return ask(text)

def program(text: str) -> str:
    if text == "look":
        state = told.status_of(Path("run.db"))
        Path("seen.json").write_text(json.dumps([state, [*told.show(state)]]), encoding="utf-8")
    if text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "stop":
        raise KeyboardInterrupt
    if text.startswith("bad"):
        raise KeyError(text)
    return say(text)
"""


def job(folder: Path, *texts: str) -> subprocess.CompletedProcess[bytes]:
    (folder / "watched.py").write_text(PROGRAM, encoding="utf-8")
    lines = [json.dumps({"text": text}) if text != "no record" else "?" for text in texts]
    (folder / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    code = "from typefold.cli.app import main; main()"
    arguments = ["run", "watched.py:program", "-i", "in.jsonl", "-o", "out.jsonl"]
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, timeout=60)


def test_a_job_that_runs_says_how_far_it_is(folder: Path) -> None:
    assert job(folder, "a", "bad", "no record", "look", *"bcdefghij").returncode == 1
    state, shown = json.loads((folder / "seen.json").read_text(encoding="utf-8"))
    assert state["state"] == "running" and state["job"]["process"] > 0
    assert state["job"]["rows"]["total"] == 13 and state["job"]["rows"]["done"] >= 1
    assert shown[0].startswith("watched.py:program is running (process ") and shown[0].endswith(
        ": in.jsonl -> out.jsonl"
    )
    assert "/13" in shown[1]


def test_a_job_that_was_killed_says_how_far_it_came(folder: Path, command: Command) -> None:
    assert job(folder, "a", "bad 1", "bad 2", "no record", *"bcdefghij" * 9, "kill").returncode == -signal.SIGKILL
    done = command("status", "run.db", "--json")
    state = json.loads(done.stdout)
    assert (done.exit_code, state["state"], state["job"]["rows"]["total"]) == (0, "killed", 86), done.output
    assert state["failures_file"].endswith("out.failures.jsonl.typefold-part")
    assert [(each["error"], each["count"], each["row"]) for each in state["failures"]] == [
        ("KeyError", 2, 1),
        ("BadRecord", 1, 3),
    ]
    assert state["job"]["rows"]["failed"] == 3 and state["job"]["rows"]["done"] > 60
    lines = command("status", "run.db").stdout.splitlines()
    assert lines[0] == ("watched.py:program was killed; the same command goes on where it was: in.jsonl -> out.jsonl")
    assert job(folder, "a", *"bcdefghij").returncode == 0
    state = json.loads(command("status", "run.db", "--json").stdout)
    assert (state["state"], state["job"]["rows"]["done"], state["failures"]) == ("finished", 10, [])


def test_a_job_that_has_ended_says_what_failed(folder: Path, command: Command) -> None:
    job(folder, "a", "bad\x1b[2J", "no record", "b", "bad 2")
    done = command("status", "run.db")
    assert (done.exit_code, "\x1b" in done.stdout) == (0, False)
    first, rows, _, requests, outcome, failed, *errors = done.stdout.splitlines()
    assert first == "watched.py:program has finished: in.jsonl -> out.jsonl"
    assert rows.startswith("rows 5/5 · 3 failed") and requests.startswith("requests 2 · ")
    assert (outcome, failed) == ("  2 say: stop", "failed 3, in out.failures.jsonl")
    assert errors[0].startswith("  2 KeyError, such as row 1: ") and errors[1].startswith(
        "  1 BadRecord, such as row 2: "
    )
    assert stat.S_IMODE(os.stat("run.db.typefold-job").st_mode) == 0o600
    text = Path("run.db.typefold-job").read_text(encoding="utf-8")
    assert "bad" not in text and not Path("run.db.typefold-job.new").exists()


def test_a_job_that_was_ended_says_so(folder: Path, command: Command) -> None:
    assert job(folder, "a", "bad", "stop", "b").returncode == 130
    state = json.loads(command("status", "run.db", "--json").stdout)
    assert state["state"] == "ended"
    assert [each["error"] for each in state["failures"]] == ["KeyError"]


@prompt(temperature=0)
def tell(text: str) -> str:
    return ask(text)


def test_a_journal_of_a_program_has_its_requests(folder: Path, command: Command) -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "yes", max_model_len=64), journal="own.db"):
        tell.safe.map(["a", "b", "word " * 500])
        assert status_of(Path("own.db"))["state"] == "in use"
    state = json.loads(command("status", "own.db", "--json").stdout)
    assert (state["state"], state["job"], state["requests"]) == ("not in use", None, 3)
    assert [(each["function"], each["outcome"], each["count"]) for each in state["outcomes"]] == [
        ("tell", "stop", 2),
        ("tell", "PromptTooLong", 1),
    ]
    assert "no job of typefold run has told" in command("status", "own.db").stdout


def test_speed_is_that_of_the_last_minute_of_requests() -> None:
    newest = [
        (f"2026-01-01T00:{minute:02}:{second:02}.000+00:00", 10) for minute, second in [(0, 0), (5, 0), (5, 2), (5, 5)]
    ]
    assert _speed(newest, [10] * 4) == 4.0
    assert _speed(newest[:1], [10]) == _speed([], []) == 0.0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rows": 1}'])
def test_a_file_of_a_job_that_can_t_be_read_is_none(folder: Path, text: str) -> None:
    job(folder, "a")
    (folder / "run.db.typefold-job").write_text(text, encoding="utf-8")
    assert status_of(folder / "run.db")["job"] is None


def test_what_is_no_journal_is_said(folder: Path, command: Command) -> None:
    with sqlite3.connect("other.db") as other:
        other.execute("CREATE TABLE t (x)")
    (folder / "text.db").write_text("text", encoding="utf-8")
    for name, says in (("none.db", "there is no journal none.db"), ("other.db", "no journal"), ("text.db", "text.db")):
        done = command("status", name)
        assert (done.exit_code, says in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.output


def test_a_folder_that_can_t_be_written_costs_the_job_nothing(folder: Path) -> None:
    (folder / "run.db.typefold-job.new").mkdir()
    assert job(folder, "a").returncode == 0
    told: Any = JobStatus(None)
    told.begin(1)
    told.tell(1, 0)
    told.end("finished")
    assert not Path("run.db.typefold-job").exists()


def test_no_output_is_written_over_the_file_of_a_job(folder: Path, command: Command) -> None:
    (folder / "in.jsonl").write_text('{"text": "a"}\n', encoding="utf-8")
    for name in ("run.db.typefold-job", "run.db.typefold-job.new"):
        arguments = ["-i", "in.jsonl", "-o", "o.jsonl", "--failures", name, "--journal", "run.db"]
        done = command("run", "tickets:classify", *arguments)
        assert (done.exit_code, "are one file" in done.stderr) == (2, True), done.output
