"""`evaluate` and `compare` on the scripted engine."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from rich.console import Console

from typefold import Prompt, PromptUsageError, Runtime, Scored, ask, prompt
from typefold.evaluation import Case, MetricFailed, compare, evaluate
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine

Kind = Literal["bill", "other"]


class Card(BaseModel):
    kind: Kind
    stars: int


@prompt
def sort(mail: str) -> Kind:
    return ask(f"Kind? {mail}")


@prompt
async def sort_later(mail: str) -> Kind:
    return ask(f"Kind? {mail}")


@prompt
def sure(mail: str) -> Scored[Kind]:
    return ask(f"Kind? {mail}")


@prompt
def read(mail: str, language: str) -> Card:
    return ask(f"Read this in {language}: {mail}")


@prompt
def judge(expected: Kind, answer: Kind) -> bool:
    return ask(f"Is {answer} as good as {expected}?")


MAILS = ["You owe $5.", "Hello!", "Pay now.", "Lunch?"]
KINDS: list[Kind] = ["bill", "other", "bill", "other"]


def answer(request: Request) -> str:
    assert not isinstance(request.prompt, str)
    text = request.prompt[-1].content
    if text.startswith("Is "):
        return json.dumps("as good as bill" in text)
    if text.startswith("Read"):
        return '{"kind": "bill", "stars": 3}' if "German" in text else "{"
    return "bill" if "$" in text or "?" in text.removeprefix("Kind?") else "other"


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    engine = ScriptedEngine(answers=answer)
    with Runtime(engine):
        yield engine


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("function", [sort, sort_later])
def test_a_report_has_every_row_and_the_share_that_is_right(function: Any) -> None:
    report = evaluate(function, MAILS, KINDS)
    assert report.accuracy == 0.5
    assert report.accuracy.rows == 4
    assert [row.right for row in report.rows] == [True, True, False, False]
    assert [row.input for row in report.mistakes] == ["Pay now.", "Lunch?"]
    assert [(row.index, row.expected, row.value) for row in report.rows][2] == (2, "bill", "other")
    assert report.failures == {}
    assert report.calibration is None
    confusion = report.whole.confusion
    assert confusion is not None
    assert confusion.recall("bill") == 0.5


def test_it_is_one_batch(engine: ScriptedEngine) -> None:
    evaluate(sort, MAILS, KINDS)
    assert len(engine.requests) == 4


@pytest.mark.usefixtures("engine")
def test_cases_hold_their_labels() -> None:
    cases = [Case(mail, kind) for mail, kind in zip(MAILS, KINDS, strict=True)]
    assert evaluate(sort, cases).accuracy == 0.5


@pytest.mark.usefixtures("engine")
def test_a_program_is_evaluated_as_a_prompt_is() -> None:
    def shout(mail: str) -> str:
        return sort(mail).upper()

    async def shout_later(mail: str) -> str:
        return (await sort_later(mail)).upper()

    for program in (shout, shout_later):
        assert evaluate(program, MAILS, [kind.upper() for kind in KINDS]).accuracy == 0.5


@pytest.mark.usefixtures("engine")
def test_failed_rows_are_wrong_and_named() -> None:
    report = evaluate.starmap(
        read,
        [("Pay!", "German"), ("Pay!", "French"), ("Pay!", "German")],
        [Card(kind="bill", stars=3), Card(kind="bill", stars=3), Card(kind="bill", stars=1)],
    )
    assert report.accuracy == pytest.approx(1 / 3)
    assert report.failures == {"Invalid": 1}
    assert report.rows[1].value is None
    assert {path: each.accuracy for path, each in report.fields.items()} == {
        "kind": pytest.approx(2 / 3),
        "stars": pytest.approx(1 / 3),
    }
    assert "failed: Invalid" in str(report)


@pytest.mark.usefixtures("engine")
def test_scored_answers_are_compared_by_their_value_and_calibrated() -> None:
    report = evaluate(sure, MAILS, KINDS)
    assert report.accuracy == 0.5
    assert report.rows[0].value == "bill"
    assert report.rows[0].answer.probabilities.keys() == {"bill", "other"}
    assert report.calibration is not None
    assert report.calibration.brier > 0
    assert "Brier score" in str(report)
    page: Any = report
    assert "<svg" in page._repr_html_()


@pytest.mark.usefixtures("engine")
def test_a_metric_decides_or_scores() -> None:
    def first_letter(expected: Kind, got: Kind) -> bool:
        return True

    def length(expected: Kind, got: Kind) -> float:
        return len(got) / 10

    decided = evaluate(sort, MAILS, KINDS, metric=first_letter)
    assert (decided.accuracy, decided.score, decided.metric) == (1.0, 1.0, "first_letter")
    scored = evaluate(sort, MAILS, KINDS, metric=length)
    assert scored.accuracy == 0.5
    assert scored.score == pytest.approx((0.4 + 0.5 + 0.5 + 0.4) / 4)
    assert scored.whole.accuracy == 0.5


def test_a_judge_joins_the_batch(engine: ScriptedEngine) -> None:
    report = evaluate(sort, MAILS, KINDS, metric=judge)
    assert report.accuracy == 0.5
    assert len(engine.requests) == 8

    async def later(expected: Kind, got: Kind) -> bool:
        return await judge.aio(expected, got)

    assert evaluate(sort, MAILS, KINDS, metric=later).accuracy == 0.5


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("good", "neither a truth value nor a number"),
        (None, "neither"),
        (float("nan"), "nan"),
        (ValueError("no"), "no"),
    ],
)
def test_a_metric_that_fails_costs_its_row(returned: object, words: str) -> None:
    def metric(expected: Kind, got: Kind) -> object:
        if expected == "bill":
            return True
        if isinstance(returned, Exception):
            raise returned
        return returned

    report = evaluate(sort, MAILS, KINDS, metric=metric)
    assert report.accuracy == 0.5
    assert report.failures == {"MetricFailed": 2}
    error = report.rows[1].error
    assert isinstance(error, MetricFailed)
    assert words in str(error)
    assert report.whole.accuracy == 0.5  # the answers are there all the same


def labels(*values: object) -> Any:
    return list(values)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (labels("bill"), "4 rows and 1 labels"),
        (labels("bill", None, "bill", "other"), r"row 1: there is none"),
        (labels("bill", "other", "Bill", "spam"), r"2 of 4 labels don't fit: row 2: 'Bill' is no answer"),
        (labels("bill", ["other"], "bill", "other"), r"row 1: \['other'\] is no answer"),
    ],
)
def test_labels_that_do_not_fit_are_refused_before_the_engine_is_asked(
    engine: ScriptedEngine, expected: Any, words: str
) -> None:
    with pytest.raises(PromptUsageError, match=words):
        evaluate(sort, MAILS, expected)
    assert engine.requests == []


def test_a_program_whose_labels_are_missing_is_refused_too() -> None:
    with pytest.raises(PromptUsageError, match="row 1: there is none"):
        evaluate(str.upper, ["a", "b"], labels("A", None))
    with pytest.raises(PromptUsageError, match="row 1: there is none"):
        evaluate(float, ["1", "2"], [1.0, float("nan")])
    with pytest.raises(PromptUsageError, match="there are no rows"):
        evaluate(str.upper, [], [])
    with pytest.raises(PromptUsageError, match="row 0 has no label"):
        evaluate(str.upper, labels("a"))


def test_inputs_that_do_not_fit_cost_their_row() -> None:
    with Runtime(ScriptedEngine(answers=answer)):
        report = evaluate(sort, labels("You owe $5.", None), ["bill", "bill"])
    assert report.accuracy == 0.5
    assert report.failures == {"BadInput": 1}


def test_columns_of_frames_are_rows_and_labels() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"mail": MAILS, "kind": KINDS})
    with Runtime(ScriptedEngine(answers=answer)):
        assert evaluate(sort, frame["mail"], frame["kind"]).accuracy == 0.5
        frame.loc[1, "kind"] = None
        with pytest.raises(PromptUsageError, match="row 1: there is none"):
            evaluate(sort, frame["mail"], frame["kind"])


@pytest.mark.usefixtures("engine")
def test_figures_are_json_and_tables_are_text_rich_and_html() -> None:
    report = evaluate(sort, MAILS, KINDS)
    figures = json.loads(report.to_json())
    assert figures["accuracy"] == pytest.approx({"value": 0.5, "low": 0.15, "high": 0.85, "rows": 4}, abs=0.01)
    assert {"expected": "bill", "answer": "other", "rows": 1} in figures["confusion"]
    text = str(report)
    assert "0.50 [0.15, 0.85]" in text
    console = Console(width=120, record=True, file=StringIO())
    console.print(report)
    assert "[0.15, 0.85]" in console.export_text()
    page: Any = report
    assert "<td" in page._repr_html_()
    assert "[0.15, 0.85]" in page._repr_html_()


@pytest.mark.usefixtures("engine")
def test_a_failed_assertion_shows_the_interval() -> None:
    report = evaluate(sort, MAILS, KINDS)
    with pytest.raises(AssertionError, match=r"0.50 \[0.15, 0.85\] of 4 rows > 0.8"):
        assert report.accuracy > 0.8
    assert len(repr(report)) < 200


def test_a_second_evaluation_is_read_from_the_journal(tmp_path: Any) -> None:
    first, second = ScriptedEngine(answers=answer), ScriptedEngine(answers=answer)
    for engine in (first, second):
        with Runtime(engine, journal=tmp_path / "run.db"):
            assert evaluate(sort, MAILS, KINDS).accuracy == 0.5
    assert (len(first.requests), len(second.requests)) == (4, 0)


@pytest.mark.usefixtures("engine")
def test_a_comparison_is_paired_and_shows_the_rows_that_flipped() -> None:
    def always_bill(mail: str) -> Kind:
        return "bill"

    outcome = compare(sort, always_bill, MAILS, KINDS)
    assert (outcome.before.accuracy, outcome.after.accuracy) == (0.5, 0.5)
    assert outcome.difference == 0.0
    assert [after.index for _, after in outcome.gained] == [2]
    assert [before.index for before, _ in outcome.lost] == [1]
    assert outcome.chance == 1.0
    assert "gained: the first of 1 rows" in str(outcome)


def test_a_comparison_tells_a_difference_from_chance() -> None:
    mails = [f"mail {number}" for number in range(60)]
    upper = [mail.upper() for mail in mails]
    outcome = compare(str.lower, str.upper, mails, upper)
    assert outcome.difference == 1.0
    assert outcome.chance < 1e-9
    same = compare(str.upper, str.upper, mails, upper)
    assert (same.difference, same.chance) == (0.0, 1.0)
    assert -0.1 < same.difference.low < 0 < same.difference.high < 0.1  # sixty rows don't show that no other would flip


def test_a_comparison_is_one_batch(engine: ScriptedEngine) -> None:
    other: Prompt[[str], Kind] = sort.using(temperature=0.5)
    compare(sort, other, MAILS, KINDS)
    assert len(engine.requests) == 8
