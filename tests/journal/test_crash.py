"""A program that is killed at any moment goes on where it was: nothing that was answered is asked again."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.exact import exact_model
from typefold import Journal, demo_model

PROGRAM = Path(__file__).with_name("crash_program.py")


def start(folder: Path, rows: int, model: str | None, name: str = "run") -> subprocess.Popen[str]:
    files = [str(folder / f"{name}.{ending}") for ending in ("db", "log", "json")]
    command = [sys.executable, str(PROGRAM), *files, str(rows), *([] if model is None else [model])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> dict[str, int]:
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    said: dict[str, int] = json.loads(output.splitlines()[-1])
    return said


def lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def killed_and_resumed(folder: Path, rows: int, kills: int, model: str | None = None) -> dict[str, int]:
    """Kill a program again and again, check it each time, let it end at last; counts of what happened."""
    finish(start(folder, rows, model, name="undisturbed"))
    expected = json.loads((folder / "undisturbed.json").read_text(encoding="utf-8"))
    whole = len(lines(folder / "undisturbed.log"))
    log, draw = folder / "run.log", random.Random(rows)
    answered: set[str] = set()
    generated = again = 0
    for kill in range(kills + 1):
        before = len(lines(log))
        process = start(folder, rows, model)
        if kill < kills:
            # Further on each time, at a moment that falls anywhere: in a step, in a write, between the two.
            wanted = before + draw.randrange(max(2, whole // (kills // 2 + 1)))
            while len(lines(log)) < wanted and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        else:
            finish(process)
        new = lines(log)[before:]
        asked = {line[2:] for line in new if line.startswith("G")}
        generated += sum(line.startswith("G") for line in new)
        again += len(asked & answered)
        answered |= {line[2:] for line in new if line.startswith("A")}
        with Journal(folder / "run.db", read_only=True) as journal:
            assert journal.damage() == []
    assert again == 0, "a request went to the engine again although a row had had its answer"
    assert json.loads((folder / "run.json").read_text(encoding="utf-8")) == expected
    return {"rows": rows, "calls": 3 * rows, "kills": kills, "generated": generated, "again": again}


def test_a_program_killed_at_any_moment_goes_on_where_it_was(tmp_path: Path) -> None:
    print(killed_and_resumed(tmp_path, rows=120, kills=4))


@pytest.mark.prove
def test_twenty_kills_of_five_hundred_rows(tmp_path: Path) -> None:
    print(killed_and_resumed(tmp_path, rows=500, kills=20))


@pytest.mark.prove
@pytest.mark.engine
def test_twenty_kills_of_forty_rows_on_vllm(tmp_path: Path) -> None:
    model = exact_model(demo_model(), tmp_path / "exact")
    print(killed_and_resumed(tmp_path, rows=40, kills=20, model=str(model)))


def test_a_program_that_ran_to_its_end_asks_nothing_again(tmp_path: Path) -> None:
    first = finish(start(tmp_path, 30, None))
    log = len([line for line in lines(tmp_path / "run.log") if line.startswith("G")])
    second = finish(start(tmp_path, 30, None))
    assert first == {"from_journal": 0, "submitted": 90}
    assert second == {"from_journal": 90, "submitted": 90}
    assert len([line for line in lines(tmp_path / "run.log") if line.startswith("G")]) == log
