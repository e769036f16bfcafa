"""`evaluate` and `compare` on the scripted engine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from rich.console import Console

from tests.optimization.models import Kind, sort, sort_later, sort_surely
from typefold import Decisions, Prompt, PromptUsageError, Runtime, Scored, ask, prompt
from typefold.evaluation import Case, MetricFailed, compare, evaluate
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


class Card(BaseModel):
    kind: Kind
    stars: int


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
    report = evaluate(sort_surely, MAILS, KINDS)
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


class Mail(BaseModel):
    text: str
    urgent: bool = False


def test_rows_with_names_hold_their_labels() -> None:
    def read_stars(mail: str, language: str = "German") -> Card:
        return read(mail, language)

    labels: list[Any] = [{"kind": "bill", "stars": 3}, Card(kind="bill", stars=3), {"kind": "other", "stars": 1}]
    rows = [{"mail": "Pay!", "language": "German", "label": label, "id": 1} for label in labels]
    with Runtime(ScriptedEngine(answers=answer)):
        for function in (read, read_stars):
            report = evaluate.map_rows(function, rows, "label")
            assert [row.right for row in report.rows] == [True, True, False]
            assert report.rows[0].input == {"mail": "Pay!", "language": "German"}
        with pytest.raises(PromptUsageError, match=r"no row has grade; the first has mail, language, label, id"):
            evaluate.map_rows(read, rows, "grade")
        with pytest.raises(PromptUsageError, match=r"no row fits it; the first: mail: there is no value"):
            evaluate.map_rows(read, [{"post": "Pay!", "label": label} for label in labels], expected="label")
        with pytest.raises(
            PromptUsageError, match=r"1 of 1 labels don't fit: row 0: .* can't be read: stars: Field required"
        ):
            evaluate.map_rows(read, [{"mail": "", "language": "", "label": {"kind": "bill"}}], expected="label")
        one_unfit = evaluate.map_rows(read, [*rows, {"mail": "Pay!", "label": labels[0]}], expected="label")
        assert one_unfit.failures == {"BadInput": 1}


def test_frames_are_rows_with_names() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"mail": MAILS, "kind": KINDS, "id": range(4)})

    def whole(mail: str) -> Kind:
        return sort(mail)

    with Runtime(ScriptedEngine(answers=answer)):
        for function in (sort, sort_later, whole):
            assert evaluate.map_rows(function, frame, expected="kind").accuracy == 0.5
        frame.loc[1, "kind"] = None
        with pytest.raises(PromptUsageError, match="row 1: there is none"):
            evaluate.map_rows(sort, frame, expected="kind")


def test_the_label_is_no_part_of_a_whole_row() -> None:
    def is_urgent(mail: Mail) -> bool:
        return "now" in mail.text

    class Strict(Mail, extra="forbid"):
        pass

    def is_strictly_urgent(mail: Strict) -> bool:
        return is_urgent(mail)

    rows = [{"text": "now!", "label": True}, {"text": "later", "label": True}]
    for function in (is_urgent, is_strictly_urgent):
        assert evaluate.map_rows(function, rows, expected="label").accuracy == 0.5


class Desk:
    def __init__(self, tone: str) -> None:
        self.tone = tone

    @prompt
    def sort(self, mail: str) -> Kind:
        return ask(f"Kind? {mail}")

    def sort_twice(self, mail: str) -> Kind:
        self.sort(mail)
        return self.sort(mail)


@pytest.mark.usefixtures("engine")
def test_methods_are_functions() -> None:
    desk = Desk("grim")
    for function in (desk.sort, desk.sort_twice):
        assert evaluate(function, MAILS, KINDS).accuracy == 0.5
    assert evaluate.map_rows(desk.sort, [{"mail": mail, "kind": "bill"} for mail in MAILS], "kind").accuracy == 0.5


def test_labels_of_a_program_are_compared_with_its_annotation() -> None:
    def count(text: str) -> int:
        return len(text)

    for wrong in ("1", None, 1.5):
        with pytest.raises(PromptUsageError, match=r"1 of 2 labels don't fit: row 1: the label"):
            evaluate(count, ["a", "b"], labels(1, wrong))
    assert evaluate(count, ["a", "bc"], [1, 2]).accuracy == 1.0


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (3, "metric is a function of the expected value and the answer, not int"),
        (len, "can't be called with the expected value and the answer"),
        (sort, "can't be called with the expected value and the answer"),
    ],
)
def test_a_metric_that_can_be_none_is_refused_before_the_engine_is_asked(
    engine: ScriptedEngine, metric: Any, words: str
) -> None:
    with pytest.raises(PromptUsageError, match=words):
        evaluate(sort, MAILS, KINDS, metric=metric)
    assert engine.requests == []


def test_a_judge_that_gives_no_number_is_refused_too(engine: ScriptedEngine) -> None:
    @prompt
    def said(expected: Kind, got: Kind) -> Literal["good", "bad"]:
        return ask(f"Is {got} as good as {expected}?")

    with pytest.raises(PromptUsageError, match="returns neither a truth value nor a number"):
        evaluate(sort, MAILS, KINDS, metric=said)
    assert engine.requests == []


@pytest.mark.parametrize("sampled", [False, True])
def test_only_what_changed_is_paid_for(tmp_path: Any, sampled: bool) -> None:
    options: dict[str, Any] = {"temperature": 0.9 if sampled else 0}
    first = sort.using(**options)

    def asked(function: Any, mails: list[str], kinds: list[Kind], metric: Any = None) -> int:
        engine = ScriptedEngine(answers=answer)  # a process of its own, as far as a journal can tell
        with Runtime(engine, journal=tmp_path / "run.db"):
            evaluate(function, mails, kinds, metric=metric)
        return len(engine.requests)

    def equal(expected: Kind, got: Kind) -> bool:
        return expected == got

    assert asked(first, MAILS, KINDS) == 4
    assert asked(first, MAILS, KINDS) == 0
    assert asked(first, [*MAILS, "And $6."], [*KINDS, "bill"]) == 1
    assert asked(first, MAILS, KINDS, metric=equal) == 0
    assert asked(first, MAILS, KINDS, metric=judge) == 4  # the judge's own calls
    assert asked(first, MAILS, KINDS, metric=judge) == 0
    assert asked(first.using(max_tokens=9), MAILS, KINDS) == 4


def test_a_failed_assertion_in_pytest_says_how_sure_the_figure_is(tmp_path: Any) -> None:
    program = """
from typefold import evaluate

def test_right_often_enough():
    report = evaluate(str.upper, ["a", "b", "c", "d"], ["A", "B", "C", "x"])
    assert report.accuracy > 0.8
"""
    (tmp_path / "test_mails.py").write_text(program, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 1
    assert "assert 0.75 [0.30, 0.95] of 4 rows > 0.8" in run.stdout
    assert "Report(function='upper'" in run.stdout


class Triage(BaseModel):
    kind: Scored[Kind]
    urgent: bool


def test_fields_with_probabilities_are_compared_by_their_choice() -> None:
    @prompt
    def triage(mail: str) -> Triage:
        return ask(f"Sort: {mail}")

    @prompt
    def decided(mail: str) -> Decisions[Triage]:
        return ask(f"Sort: {mail}")

    expected = [Triage(kind=Scored.of("bill"), urgent=False), Triage(kind=Scored.of("other"), urgent=False)]
    with Runtime(ScriptedEngine(answers=lambda request: '{"kind": "bill", "urgent": false}')):
        for function in (triage, decided):
            report = evaluate(function, ["You owe $5.", "Hello!"], labels(*expected))
            assert [row.right for row in report.rows] == [True, False]
            assert (report.fields["kind"].accuracy, report.fields["urgent"].accuracy) == (0.5, 1.0)
            assert report.fields["kind"].calibration is not None
            assert (report.fields["urgent"].calibration is not None) == (function is decided)
