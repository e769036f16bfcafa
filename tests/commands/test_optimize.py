"""`typefold optimize`: a search over labelled records, its file, and what it refuses."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Command
from typefold.optimization import OptimizedPrompts

SORTING = """
from typing import Any, Literal

from typefold import ask, configure, prompt
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt
def sort(mail: str, language: str = "English") -> Literal["bill", "other"]:
    return ask(f"Kind ({language})? {mail}")


def exact(expected: str, answer: str) -> bool:
    return expected == answer


def answer(request: Any) -> str:
    shown = {message.content for message in request.prompt if message.role == "assistant"}
    return "bill" if shown != {"bill", "other"} or request.prompt[-1].content[-1] in "13579" else "other"


configure(ScriptedEngine(answers=answer))
"""


def records(first: int, count: int) -> str:
    kinds = ("other", "bill")
    return "".join(
        json.dumps({"mail": f"Mail {number}", "kind": kinds[number % 2]}) + "\n"
        for number in range(first, first + count)
    )


@pytest.fixture
def sorting(folder: Path) -> Path:
    (folder / "sorting.py").write_text(SORTING)
    (folder / "train.jsonl").write_text(records(0, 60))
    (folder / "held.jsonl").write_text(records(100, 30))
    return folder


BASE = ["optimize", "sorting.py:sort", "-i", "train.jsonl", "--expected", "kind", "-o", "found.json"]


def test_a_search_writes_what_it_found_and_reports_on_records_it_did_not_see(sorting: Path, command: Command) -> None:
    done = command(*BASE, "--validation", "held.jsonl", "--budget", "300", "--metric", "sorting.py:exact")
    assert done.exit_code == 0, done.output
    assert "sort and sort: 30 rows" in done.stdout
    assert "round 1: 16 candidates by" in done.stderr
    found = OptimizedPrompts.load(sorting / "found.json")
    assert found.evaluation["difference"]["low"] > 0
    assert found.evaluation["metric"] == "exact"
    [revision] = found.prompts
    assert {name for each in revision.examples or () for name in each.arguments} <= {"mail", "language"}
    assert "found.json.typefold-part" not in {each.name for each in sorting.iterdir()}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--budget", "30"], "budget=30 is too small"),
        (["--validation", "train.jsonl"], "are one file"),
        (["--validation", "copy.jsonl", "--input-format", "csv"], "which the input has no column for"),
        (["--encoding", "klingon"], "--encoding klingon: there is no such encoding"),
        (["--validation", "copy.jsonl"], "of validation are in train too"),
        (["--expected", "label"], "no record has label; the first has mail, kind"),
        (["--max-examples", "0"], "there is nothing to change"),
    ],
)
def test_what_can_not_work_is_told_and_leaves_no_file(
    sorting: Path, command: Command, more: list[str], words: str
) -> None:
    (sorting / "copy.jsonl").write_text(records(40, 30))
    done = command(*BASE, *more)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not (sorting / "found.json").exists()


def test_where_nothing_is_better_the_exit_status_says_so(sorting: Path, command: Command) -> None:
    (sorting / "sorting.py").write_text(SORTING.replace('!= {"bill", "other"}', '!= {"neither"}'))
    done = command(*BASE, "--budget", "200", "--quiet")
    assert done.exit_code == 1
    assert "nothing better" in done.stdout
    assert OptimizedPrompts.load(sorting / "found.json").prompts == ()
