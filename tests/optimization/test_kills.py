"""A search that is killed at any moment goes on: no rollout that was finished is asked again, and the end is the same."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.engine.exact import exact_model
from typefold import Journal, demo_model

PROGRAM = Path(__file__).with_name("search_program.py")


def start(folder: Path, name: str, model: str | None) -> subprocess.Popen[str]:
    files = [str(folder / f"{name}.{ending}") for ending in ("db", "log", "json")]
    command = [sys.executable, str(PROGRAM), *files, *([] if model is None else [model])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def asked(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def finished(journal: Path) -> Counter[str]:
    if not journal.exists():
        return Counter()
    with Journal(journal, read_only=True) as opened:
        records = list(opened.records())
    return Counter(
        json.dumps([each.function, [(turn["role"], turn["content"]) for turn in each.prompt]])
        for each in records
        if isinstance(each.prompt, list)
    )


def killed_and_resumed(folder: Path, kills: int, model: str | None = None) -> dict[str, int]:
    finish(start(folder, "undisturbed", model))
    whole = Counter(asked(folder / "undisturbed.log"))
    log, draw = folder / "run.log", random.Random(kills)
    for kill in range(kills):
        before, done = len(asked(log)), finished(folder / "run.db")
        process = start(folder, "run", model)
        # Further on each time, at a moment that falls anywhere.
        wanted = before + draw.randrange(2, max(3, 2 * sum(whole.values()) // kills))
        while len(asked(log)) < wanted and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        again = Counter(asked(log)[before:])
        assert all(again[each] + done[each] <= whole[each] for each in again), f"kill {kill}: paid for twice"
    before, done = len(asked(log)), finished(folder / "run.db")
    finish(start(folder, "run", model))
    assert Counter(asked(log)[before:]) + done == whole
    results = [json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("run", "undisturbed")]
    assert results[0] == results[1]
    return {
        "requests": sum(whole.values()),
        "asked in all": len(asked(log)),
        "from the journal at last": sum(done.values()),
    }


def test_a_search_killed_at_any_moment_ends_as_it_would_have(tmp_path: Path) -> None:
    print(killed_and_resumed(tmp_path, kills=4))


@pytest.mark.prove
@pytest.mark.engine
def test_a_search_killed_on_vllm_ends_as_it_would_have(tmp_path: Path) -> None:
    print(killed_and_resumed(tmp_path, kills=2, model=str(exact_model(demo_model(), tmp_path / "exact"))))
