"""Thresholds with a guarantee: how often it is kept, over many calibrations."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from typefold import PromptUsageError, Runtime, Scored, Votes, ask, calibrated_threshold, cascade, majority, prompt
from typefold.programs.threshold import ABOVE_ALL
from typefold.runtime.engines.scripted import ScriptedEngine

REPEATS = 200
Row = tuple[float, bool]
Of = Literal["all", "kept"]

ANSWERS: dict[str, list[Row]] = json.loads(Path(__file__).with_name("scored_answers.json").read_text())["answers"]
"""The probabilities of real answers, and whether they are right, of a model in three labelled tasks."""


def labelled(rows: Sequence[Row]) -> list[tuple[Scored[bool], bool]]:
    return [
        (Scored(value=True, probabilities={True: probability, False: 1 - probability}), right)
        for probability, right in rows
    ]


def risk(rows: Sequence[Row], threshold: float, of: Of) -> float:
    kept = [right for probability, right in rows if probability >= threshold]
    return kept.count(False) / max(1, len(rows) if of == "all" else len(kept))


def allowed(repeats: int, delta: float) -> int:
    """A number of failures that 1 of 10,000 sets of repeats exceeds, where each fails with probability `delta`."""
    total, failures = 0.0, -1
    while total < 0.9999:
        failures += 1
        total += math.comb(repeats, failures) * delta**failures * (1 - delta) ** (repeats - failures)
    return failures


SHAPES: dict[str, Callable[[float], float]] = {
    "calibrated": lambda stated: stated,
    "too sure of itself": lambda stated: 0.5 + 0.4 * stated,
    "blind": lambda stated: 0.9,
    "upside down": lambda stated: 1.4 - stated,
    "wrong at the top": lambda stated: 0.99 if stated < 0.95 else 0.6,
}


def simulated(shape: str, rng: random.Random, rows: int) -> list[Row]:
    stated = [0.5 + 0.5 * rng.betavariate(3, 1) for _ in range(rows)]
    return [(each, rng.random() < min(1.0, SHAPES[shape](each))) for each in stated]


def failures(
    draw: Callable[[], list[Row]], population: Sequence[Row], of: Of, target: float, delta: float
) -> list[float]:
    """The risks of thresholds that break their promise."""
    risks = [
        risk(population, calibrated_threshold(labelled(draw()), target=target, delta=delta, of=of), of)
        for _ in range(REPEATS)
    ]
    return [each for each in risks if each > 1 - target]


@pytest.mark.parametrize("of", ["all", "kept"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_promise_is_kept_for_simulated_labels(shape: str, of: Of) -> None:
    rng = random.Random(f"{shape} {of}")
    population = simulated(shape, rng, 20_000)
    broken = failures(lambda: rng.choices(population, k=300), population, of, 0.9, 0.1)
    assert len(broken) <= allowed(REPEATS, 0.1)


@pytest.mark.parametrize("of", ["all", "kept"])
@pytest.mark.parametrize("task", ANSWERS)
def test_the_promise_is_kept_for_real_labels(task: str, of: Of) -> None:
    rng = random.Random(f"{task} {of}")
    population = [(probability, right) for probability, right in ANSWERS[task]]
    broken = failures(lambda: rng.choices(population, k=300), population, of, 0.9, 0.1)
    assert len(broken) <= allowed(REPEATS, 0.1)


def test_it_is_not_kept_by_the_share_of_the_labelled_rows_alone() -> None:
    """The guarantee costs something: the lowest threshold at which the labelled rows meet the target fails half of the time."""

    def naive(rows: list[Row]) -> float:
        return min((p for p, _ in rows if risk(rows, p, "all") <= 0.1), default=2.0)

    rng = random.Random(5)
    population = simulated("too sure of itself", rng, 20_000)
    broken = [risk(population, naive(rng.choices(population, k=300)), "all") > 0.1 for _ in range(REPEATS)]
    assert sum(broken) > REPEATS // 4


def test_it_keeps_rows_where_there_is_reason_to() -> None:
    rng = random.Random(6)
    population = simulated("calibrated", rng, 20_000)
    for of, least in (("all", 0.5), ("kept", 0.2)):
        found = calibrated_threshold(labelled(rng.choices(population, k=1000)), target=0.9, of=of)  # type: ignore[arg-type]
        assert sum(probability >= found for probability, _ in population) / len(population) > least


@pytest.mark.parametrize("of", ["all", "kept"])
def test_too_few_rows_promise_nothing(of: Of) -> None:
    assert calibrated_threshold(labelled([(0.99, True)] * 58), of=of) == ABOVE_ALL
    assert calibrated_threshold(labelled([(0.99, True)] * 59)) == 0
    assert calibrated_threshold(labelled([(0.99, True)] * 500), of=of) < 0.99
    assert calibrated_threshold(labelled([(0.99, False)] * 500), of=of) == ABOVE_ALL


def test_the_tail_is_that_of_the_binomial_distribution() -> None:
    """At the threshold, as many wrong answers as are let stand are improbable, and one more would not be."""
    rows = [(1 - index / 1000, index % 10 != 0) for index in range(500)]
    found = calibrated_threshold(labelled(rows), target=0.9, delta=0.05)
    wrong = sum(not right for probability, right in rows if probability >= found)

    def tail(errors: int) -> float:
        return sum(math.comb(500, count) * 0.1**count * 0.9 ** (500 - count) for count in range(errors + 1))

    assert tail(wrong) <= 0.05 < tail(wrong + 1)


def test_votes_are_taken_by_their_share() -> None:
    sure, torn = majority([True] * 5), Votes(((True, 2), (False, 1)), failed=2)
    assert calibrated_threshold([(sure, True)] * 80 + [(torn, False)] * 20) == 1.0
    assert calibrated_threshold([(sure, True)] * 80 + [(torn, True)] * 20) == 0.0
    assert calibrated_threshold([(sure, True)] * 80 + [(Votes[bool](()), True)] * 20) == 1.0


def test_a_threshold_above_all_sends_every_row_on() -> None:
    @prompt
    def quick(text: str) -> Scored[bool]:
        return ask(text)

    @prompt
    def careful(text: str) -> bool:
        return ask(text)

    with Runtime(ScriptedEngine(lambda request: "false")) as other, Runtime(ScriptedEngine(lambda request: "true")):
        both = cascade(quick, careful.using(runtime=other), doubt=calibrated_threshold(labelled([(1.0, True)] * 9)))
        assert both.map(["a", "b"]) == [False, False]


@pytest.mark.parametrize("given", [{"target": 1}, {"target": 0.0}, {"delta": 2}])
def test_numbers_out_of_range_are_refused(given: Any) -> None:
    with pytest.raises(PromptUsageError, match="between 0 and 1"):
        calibrated_threshold(labelled([(0.5, True)]), **given)
    with pytest.raises(PromptUsageError, match="no labelled rows"):
        calibrated_threshold([])
