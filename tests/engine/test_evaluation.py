"""Evaluations on real vLLM: labelled texts to a report, by the library and by the command, and a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.labelled_texts import DATA, Category, load
from typefold import Scored, ask, compare, evaluate, prompt
from typefold.cli.app import app

pytestmark = pytest.mark.engine

ROWS = 12

PROGRAM = """
from benchmarks.labelled_texts import Category
from typefold import Scored, ask, prompt


@prompt
def sort(text: str) -> Scored[Category]:
    return ask(f"Which kind of message is this? {text[:300]}")
"""


@prompt
def sort(text: str) -> Scored[Category]:
    return ask(f"Which kind of message is this? {text[:300]}")


@prompt(temperature=0)
def sort_plainly(text: str) -> Category:
    return ask(f"Which kind of message is this? {text[:300]}")


@pytest.mark.usefixtures("runtime")
def test_labelled_texts_become_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = load("tickets", part="held")[:ROWS]
    texts, kinds = [each.text for each in tickets], [each.labels.category for each in tickets]
    report = evaluate(sort, texts, kinds)
    answers = sort.map(texts)
    assert report.failures == {}
    assert [row.value for row in report.rows] == [answer.value for answer in answers]
    assert report.accuracy == sum(row.value == kind for row, kind in zip(report.rows, kinds, strict=True)) / ROWS
    assert report.accuracy.low <= report.accuracy <= report.accuracy.high
    assert report.calibration is not None
    assert sum(each.accuracy.rows for each in report.calibration.bins) == ROWS

    monkeypatch.chdir(tmp_path)
    Path("mails.py").write_text(PROGRAM, encoding="utf-8")
    command: list[Any] = ["evaluate", "mails.py:sort", "-i", DATA / "tickets.jsonl", "-e", "labels.category"]
    result = CliRunner().invoke(app, [*map(str, command), "--where", "part == 'held'", "--limit", "40", "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    held = [
        each
        for each in [*map(json.loads, (DATA / "tickets.jsonl").open(encoding="utf-8"))][:40]
        if each["part"] == "held"
    ]
    assert figures["rows"] == len(held)
    assert figures["calibration"]["bins"]


@pytest.mark.usefixtures("runtime")
def test_a_comparison_is_one_batch_of_both() -> None:
    tickets = load("tickets", part="held")[:ROWS]
    texts, kinds = [each.text for each in tickets], [each.labels.category for each in tickets]
    outcome = compare(sort, sort_plainly, texts, kinds)
    again = evaluate(sort_plainly, texts, kinds)
    assert [row.value for row in outcome.after.rows] == [row.value for row in again.rows]
    right = [sum(row.right for row in report.rows) for report in (outcome.before, outcome.after)]
    assert len(outcome.gained) - len(outcome.lost) == right[1] - right[0]
    assert outcome.difference == pytest.approx((right[1] - right[0]) / ROWS)
