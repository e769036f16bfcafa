"""Evaluations: labelled rows, metrics, reports and comparisons."""

from collections.abc import Sequence
from typing import assert_type

from house import Character, Verdict, judge, make, rate

from typefold import Case, Comparison, Report, Scored, ask, compare, evaluate, prompt


@prompt
def sure(text: str) -> Scored[Verdict]:
    return ask(text)


@prompt
async def later(text: str) -> Verdict:
    return ask(text)


def length(text: str) -> int:
    return len(text)


def same(expected: Verdict, got: Verdict) -> bool:
    return expected == got


def near(expected: int, got: int) -> float:
    return 1 / (1 + abs(expected - got))


# kind: evaluations
def evaluations(
    texts: Sequence[str],
    verdicts: Sequence[Verdict],
    numbers: list[int],
    heroes: list[Character],
    pairs: list[tuple[str, int]],
) -> None:
    report = evaluate(judge, texts, verdicts)
    assert_type(report, Report[Verdict])
    assert_type(evaluate(sure, texts, verdicts), Report[Verdict])
    assert_type(evaluate(later, texts, verdicts), Report[Verdict])
    assert_type(evaluate(length, texts, numbers), Report[int])
    assert_type(evaluate(make, texts, heroes), Report[Character])
    assert_type(evaluate(judge, texts, verdicts, metric=same), Report[Verdict])
    assert_type(evaluate.starmap(rate, pairs, numbers), Report[int])
    assert_type(evaluate.map_rows(rate, [{"text": "x", "stars": 3, "label": 4}], "label"), Report[int])
    assert_type(compare(judge, judge, texts, verdicts), Comparison[Verdict])
    assert_type(compare(sure, sure, texts, verdicts), Comparison[Verdict])
    assert_type(report.rows[0].value, Verdict | None)
    assert_type(report.rows[0].expected, Verdict)
    assert_type(report.mistakes[0].error, Exception | None)
    share: float = report.accuracy
    low: float = report.accuracy.low
    evaluate(length, [Case("x", 1), Case("xy", 2)])
    evaluate(judge, numbers, verdicts)  # E: rows of the wrong type, evaluated
    evaluate(judge, texts)  # E: labels left out
    evaluate(judge, texts, "keep", verdicts)  # E: labels given twice
    evaluate(judge, texts, verdicts, metric=near)  # E: a metric of other values
    evaluate(judge, texts, verdicts, metric=len)  # E: a metric of one argument
    evaluate.starmap(rate, texts, numbers)  # E: texts for rows of several arguments
    evaluate.map_rows(judge, texts, "verdict")  # E: rows without names, evaluated
    report.accurcy  # E: a typo in a figure
    report.rows[0].value.name  # E: an answer that may not be there
    compare(judge, texts, verdicts)  # E: the second function left out
    print(share, low)
