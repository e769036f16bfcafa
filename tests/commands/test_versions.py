"""`typefold version` and `typefold diff`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Command
from typefold import Version

CHANGED = """
from typing import Annotated, Any, Literal

from typefold import Scored, ask, configure, prompt
from typefold.runtime.engines.scripted import ScriptedEngine


def answer(request: Any) -> str:
    text = request.prompt[-1].content
    if "broken" in text and "new" in text:
        return "no number"
    return "delivery" if "parcel" in text and "new" in text else "billing"


configure(ScriptedEngine(answers=answer))


@prompt(version="1", temperature=0)
def old(text: str) -> Literal["billing", "delivery"]:
    return ask(f"old {text}")


@prompt(version="2", temperature=0)
def new(text: str) -> Literal["billing", "delivery"]:
    return ask(f"new {text}")


def plain(text: str) -> str:
    return text
"""

RECORDS = [
    {"text": "the invoice", "team": "billing"},
    {"text": "the parcel", "team": "delivery"},
    {"text": "a parcel", "team": "delivery"},
]


@pytest.fixture(autouse=True)
def files(command: Command) -> None:
    sys.modules.pop("versions", None)  # it configures a runtime when it is imported
    Path("versions.py").write_text(CHANGED)
    Path("letters.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in RECORDS))
    Path("letters.csv").write_text("text,team\n" + "".join(f"{each['text']},{each['team']}\n" for each in RECORDS))


def test_a_version_is_printed_and_saved(command: Command) -> None:
    printed = command("version", "versions:old").stdout.strip()
    assert printed.startswith("1@")
    assert command("version", "versions:old", "-o", "old.json").stdout == ""
    assert str(Version.load("old.json")) == printed
    assert Version.load("old.json").answers == ()


def test_two_versions_are_compared_without_a_model(command: Command) -> None:
    command("version", "versions:old", "-o", "old.json")
    command("version", "versions:new", "-o", "new.json")
    for pair in (("old.json", "new.json"), ("old.json", "versions:new"), ("versions:old", "versions:new")):
        done = command("diff", *pair)
        assert done.exit_code == 1
        assert done.stdout.splitlines()[1:] == ["messages", "-user: old {text}", "+user: new {text}"]
    done = command("diff", "old.json", "versions:old")
    assert (done.exit_code, done.stdout.splitlines()[1:]) == (0, ["the model could notice no difference"])


@pytest.mark.parametrize("records", ["letters.jsonl", "letters.csv"])
def test_answers_that_changed_are_named_and_compared_with_labels(command: Command, records: str) -> None:
    command("version", "versions:old", "-o", "old.json", "-i", records, "--expected", "team")
    command("version", "versions:new", "-o", "new.json", "-i", records, "--expected", "team")
    assert [each["answer"] for each in Version.load("new.json").answers] == ["billing", "delivery", "delivery"]
    for new in ("versions:new", "new.json"):
        done = command("diff", "old.json", new, "-i", records, "--expected", "team")
        assert "2 of 3 answers changed" in done.stdout
        assert '1: {"text": "the parcel"}: "billing" -> "delivery"' in done.stdout
        assert "difference of the scores" in done.stdout and "+0.667" in done.stdout


def test_answers_are_compared_without_labels_too(command: Command) -> None:
    Path("more.jsonl").write_text('{"text": "a parcel"}\n{"text": 3}\n')
    done = command("diff", "versions:old", "versions:new", "-i", "more.jsonl")
    assert "1 of 2 answers changed" in done.stdout
    assert "difference of the scores" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["diff", "gone.json", "versions:new"], "there is no file gone.json"),
        (["diff", "versions:plain", "versions:new"], "plain function, no prompt"),
        (["diff", "letters.json", "versions:new"], "no saved version"),
        (["diff", "old.json", "versions:new", "-i", "letters.jsonl"], "no answer for 3 of 3 records"),
        (["diff", "versions:old", "versions:new", "-i", "letters.jsonl", "--expected", "x"], "there is no x"),
        (["version", "versions:old", "-i", "letters.jsonl"], "name it with --output"),
    ],
)
def test_what_can_not_be_done_is_said(command: Command, arguments: list[str], words: str) -> None:
    Path("letters.json").write_text("[]")
    command("version", "versions:old", "-o", "old.json")
    done = command(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr
