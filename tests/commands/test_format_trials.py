"""The benchmark that runs a function on labelled rows in each form of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.format_trials import Trial, advice, app, difference, interval
from tests.commands.conftest import Command
from typefold import current
from typefold.tables.arrow import pyarrow

MODULE = '''
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typefold import ask, configure, prompt
from typefold.testing.laws import Recogniser
from typefold.runtime.engines.scripted import ScriptedEngine


class Label(BaseModel):
    kind: Literal["billing", "delivery"]
    urgency: Annotated[int, Field(ge=0, le=5)]


def answer(request: Any) -> str:
    """Right in every format, but that in the compact one all is billing."""
    late = "late" in request.prompt[-1].content
    by = Recogniser.of(request.constraint)
    kind = "delivery" if late else "billing"
    texts = [f'{{"kind": "{kind}", "urgency": 2}}', f'{{"kind":"{kind}","urgency":2}}', '["billing", 2]']
    return next((text for text in texts if by.admits(text)), "keep")


@prompt
def classify(text: str) -> Label:
    return ask(f"Label {text}")


def program(text: str) -> str:
    return classify(text).kind


async def awaited(text: str) -> Label:
    return await classify.aio(text)


@prompt
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(text)


configure(ScriptedEngine(answers=answer))
'''


WHEN = """
class Day(BaseModel):
    day: date


def when(text: str) -> Day:
    return Day(day=date(2024, 5, 1))
"""


@pytest.fixture
def compared(folder: Path) -> Command:
    """The benchmark's command line."""
    return lambda *arguments: CliRunner().invoke(app, arguments)


@pytest.fixture
def labels(folder: Path) -> Iterator[Path]:
    (folder / "labels.py").write_text(MODULE, encoding="utf-8")
    rows = [
        {"text": f"{word} {number}", "expected": {"kind": kind, "urgency": 2}}
        for number in range(30)
        for word, kind in (("late", "delivery"), ("bill", "billing"))
    ]
    (folder / "in.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    yield folder
    sys.modules.pop("labels", None)


def test_each_format_is_tried_on_every_row_and_advice_is_given(labels: Path, compared: Command) -> None:
    done = compared("labels:classify", "--labels", "in.jsonl", "--json", "out.json")
    assert done.exit_code == 0, done.output
    found = json.loads((labels / "out.json").read_text(encoding="utf-8"))
    shares = {each["format"]: sum(each["marks"]) for each in found["formats"]}
    assert shares == {"spaced": 60, "tight": 60, "compact": 30}
    assert {len(each["marks"]) for each in found["formats"]} == {60}
    assert all(each["failed"] == 0 and each["tokens out a row"] > 0 for each in found["formats"])
    assert found["advice"].startswith('json_format="tight": ') and found["advice"].endswith(
        "compact is right less often."
    )
    assert found["advice"] in " ".join(done.output.split()) and "60 rows, each in every format" in done.output


@pytest.mark.parametrize("name", ["program", "awaited"])
def test_a_program_is_tried_by_the_runtimes_format(labels: Path, compared: Command, name: str) -> None:
    expected = "delivery" if name == "program" else {"kind": "delivery", "urgency": 2}
    (labels / "in.jsonl").write_text(json.dumps({"text": "late", "label": expected}), encoding="utf-8")
    done = compared(f"labels:{name}", "-l", "in.jsonl", "--column", "label", "--json", "out.json")
    assert done.exit_code == 0, done.output
    found = json.loads((labels / "out.json").read_text(encoding="utf-8"))
    assert [each["marks"] for each in found["formats"]] == [[True], [True], [False]]
    assert current().json_format is None


def test_labels_of_csv_are_json_or_text(labels: Path, compared: Command) -> None:
    (labels / "in.csv").write_text('text,expected\nlate,"{""kind"": ""delivery"", ""urgency"": 2}"\n', encoding="utf-8")
    assert compared("labels:classify", "-l", "in.csv").exit_code == 0
    (labels / "in.csv").write_text("text,expected\nlate,delivery\n", encoding="utf-8")
    assert compared("labels:program", "-l", "in.csv").exit_code == 0


@pytest.mark.parametrize(
    ("record", "function", "said"),
    [
        (
            {"text": "a"},
            "classify",
            "row 0 of the labels (line 1): there is no expected; name the column of the labels: --column",
        ),
        ({"expected": {}}, "classify", "row 0 of the labels (line 1): text: there is no value"),
        (
            {"text": "a", "expected": {"kind": "x", "urgency": 2}},
            "classify",
            "row 0 of the labels (line 1): its expected is no value that labels:classify can give: Input should be 'billing' or "
            "'delivery'",
        ),
        (
            {"text": "a", "expected": "keep"},
            "judge",
            "labels:judge answers in bare text, which is the same in every format",
        ),
    ],
)
def test_what_cannot_be_compared_is_said_before_a_row_runs(
    labels: Path, compared: Command, record: dict[str, object], function: str, said: str
) -> None:
    (labels / "in.jsonl").write_text(json.dumps(record), encoding="utf-8")
    done = compared(f"labels:{function}", "--labels", "in.jsonl")
    assert (done.exit_code, done.stderr) == (2, f"{said}\n")


def test_rows_that_fail_say_why(labels: Path, compared: Command) -> None:
    module = (
        (labels / "labels.py").read_text(encoding="utf-8").replace("return classify(text).kind", 'raise KeyError("k")')
    )
    (labels / "labels.py").write_text(module, encoding="utf-8")
    (labels / "in.jsonl").write_text(json.dumps({"text": "late", "expected": "delivery"}), encoding="utf-8")
    done = compared("labels:program", "-l", "in.jsonl")
    assert done.exit_code == 0 and "spaced: 1 failed, the first with KeyError: 'k'" in done.output
    assert "No format gave a right answer" in done.output


def test_labels_of_parquet_are_what_their_json_is(labels: Path, compared: Command) -> None:
    arrow, parquet = pyarrow(), pyarrow("pyarrow.parquet")
    (labels / "labels.py").write_text(f"from datetime import date\n{MODULE}\n{WHEN}", encoding="utf-8")
    table = {"text": ["a"], "expected": arrow.array([{"day": date(2024, 5, 1)}])}
    parquet.write_table(arrow.table(table), labels / "in.parquet")
    assert compared("labels:when", "-l", "in.parquet").exit_code == 0
    parquet.write_table(arrow.table({"text": ["a"], "expected": [b"\xff"]}), labels / "in.parquet")
    done = compared("labels:when", "-l", "in.parquet")
    assert done.exit_code == 2 and "row 0 of the labels: its label has no form in JSON" in done.stderr


def test_values_that_can_not_be_compared_cost_their_rows(labels: Path, compared: Command) -> None:
    odd = "    def __eq__(self, other):\n        raise ValueError('odd')\n"
    (labels / "labels.py").write_text(
        f"from datetime import date\n{MODULE}\n{WHEN}".replace("    day: date\n", f"    day: date\n{odd}")
    )
    (labels / "in.jsonl").write_text(json.dumps({"text": "a", "expected": {"day": "2024-05-01"}}), encoding="utf-8")
    done = compared("labels:when", "-l", "in.jsonl")
    assert done.exit_code == 0 and "tight: 1 failed, the first with ValueError: odd" in done.output


def test_an_interval_holds_the_share_and_narrows() -> None:
    assert interval(0, 0) == (0.0, 1.0)
    low, high = interval(80, 100)
    wide_low, wide_high = interval(8, 10)
    assert wide_low < low < 0.8 < high < wide_high


def test_a_format_that_is_right_more_often_is_advised_and_else_the_shortest() -> None:
    every, half = dict.fromkeys(range(40), True), {row: row % 2 == 0 for row in range(40)}
    long, short = Trial("spaced", every, output_tokens=100), Trial("compact", half, output_tokens=50)
    assert difference(long, short)[0] == 0.5
    assert advice([long, short]) == 'json_format="spaced": it is right more often than every other, beyond chance.'
    short.marks = every
    assert advice([long, short]) == (
        'json_format="compact": 50% fewer tokens than the longest of those that these rows can\'t tell apart (spaced).'
    )
