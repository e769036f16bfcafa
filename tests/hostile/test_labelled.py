"""Hostile input of evaluations, searches, forecasts and thresholds: it is refused early, in words that say what to do, or costs its row."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.optimization.models import mails, needs_both_kinds, sort
from typefold import (
    Calibration,
    Case,
    OptimizedPrompts,
    PromptUsageError,
    Runtime,
    Scored,
    Version,
    calibrate,
    calibrated_threshold,
    compare,
    evaluate,
    forecast,
    optimize,
    optimized,
)
from typefold.optimization import Mistake
from typefold.runtime.engines.scripted import ScriptedEngine


def yields(mail: str) -> Iterator[str]:
    yield mail


def proposes_nothing(signature: str, own: str, mistakes: list[Mistake]) -> None:
    """No text, though one is wanted."""


def takes_nothing() -> str:
    return "bill"


@pytest.fixture(autouse=True)
def engine() -> Iterator[ScriptedEngine]:
    engine = ScriptedEngine(answers=needs_both_kinds)
    with Runtime(engine):
        yield engine


MAILS, KINDS = ["mail 1", "mail 2", "mail 3"], ["bill", "other", "bill"]
CASES = mails(60)
judge: Any = evaluate  # type checkers refuse most of what follows
pair: Any = compare
fit: Any = calibrate
search: Any = optimize
plan: Any = forecast
threshold: Any = calibrated_threshold


def stated(probability: float, value: str = "bill") -> Any:
    return Scored(value=value, probabilities={"bill": probability, "other": 1 - probability})


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "no rows": (lambda: judge(sort, None, KINDS), "can't be iterated; give a list"),
    "a number of rows": (lambda: judge(sort, 3, KINDS), "can't be iterated; give a list"),
    "a number of labels": (lambda: judge(sort, MAILS, 3), "can't be iterated; give a list"),
    "labels twice": (
        lambda: judge(sort, [Case("a", "bill")], ["bill"]),
        "a Case holds its label, so leave expected= out",
    ),
    "no function": (lambda: judge(None, MAILS, KINDS), "the function to call for each row, not None"),
    "a function that yields": (lambda: judge(yields, MAILS, KINDS), "yields, so that a call runs none of it"),
    "a function of nothing": (
        lambda: judge(takes_nothing, MAILS, KINDS),
        "no row fits it; the first: too many positional",
    ),
    "rows of other arguments": (lambda: judge.starmap(sort, [("a", "b")], ["bill"]), "no row fits it"),
    "a safe function": (lambda: judge(sort.safe, MAILS, KINDS), "leave .safe out"),
    "a column that is none": (
        lambda: judge.map_rows(sort, [{"mail": "a"}], ["kind"]),
        "expected is the name of a column",
    ),
    "two, one of them none": (lambda: pair(sort, None, MAILS, KINDS), "the function to call for each row, not None"),
    "calibrate no prompt": (lambda: fit(takes_nothing, MAILS, KINDS), "the first argument is a prompt function"),
    "search of nothing": (lambda: search(None, CASES), "the function to call for each row, not None"),
    "search of a generator": (lambda: search(yields, CASES), "yields"),
    "search of a safe function": (lambda: search(sort.safe, CASES), "leave .safe out"),
    "search in no rows": (lambda: search(sort, 3), "can't be iterated; give a list"),
    "search in a text": (lambda: search(sort, "abc"), "which is one value"),
    "search judged by no rows": (lambda: search(sort, CASES, validation=3), "can't be iterated; give a list"),
    "a metric that is none": (
        lambda: search(sort, CASES, 3),
        "metric is a function of the expected value and the answer",
    ),
    "a proposer that is none": (lambda: search(sort, CASES, proposer=3), "proposer is a function of a signature"),
    "a proposer of one": (lambda: search(sort, CASES, proposer=takes_nothing), "can't be called with a signature"),
    "a callback that is none": (lambda: search(sort, CASES, on_round=3), "on_round is a function of a round"),
    "a seed that is none": (lambda: search(sort, CASES, seed="x"), "seed is a whole number"),
    "applied to nothing": (lambda: optimized(3, OptimizedPrompts("sort", ())), "the first argument is the function"),  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # on purpose
    "applied in a third way": (
        lambda: optimized(sort, OptimizedPrompts("sort", ()), stale="maybe"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # on purpose
        "stale is 'refuse' or 'use'",
    ),
    "forecast of a limit": (lambda: plan(sort, MAILS, max_tokens=3), "max_tokens is a list of limits"),
    "forecast by no seed": (lambda: plan(sort, MAILS, seed="x"), "seed is a whole number"),
    "a target as text": (lambda: threshold([(stated(0.9), "bill")], target="x"), "target is a number between 0 and 1"),
    "no target": (lambda: threshold([(stated(0.9), "bill")], target=None), "target is a number between 0 and 1"),
    "a target of 1": (lambda: threshold([(stated(0.9), "bill")], target=1.0), "target is a number between 0 and 1"),
    "a target that is as good as 0": (lambda: threshold([(stated(0.9), "bill")], target=1e-300), "between 0 and 1"),
    "a delta of 0": (lambda: threshold([(stated(0.9), "bill")], delta=0), "delta is a number between 0 and 1"),
    "of neither": (lambda: threshold([(stated(0.9), "bill")], of="some"), "of is 'all' or 'kept'"),
    "no labelled rows": (lambda: threshold(None), "can't be iterated; give a list"),
    "no pairs": (lambda: threshold([3]), "row 0 is no pair of an answer and the right one"),
    "threes": (lambda: threshold([(stated(0.9), "bill", 1)]), "row 0 is no pair"),
    "the wrong way round": (lambda: threshold([("bill", stated(0.9))]), "neither Scored nor Votes"),
    "a failed row": (lambda: threshold([(ValueError("x"), "bill")]), "leave failed rows out"),
    "a label that is missing": (lambda: threshold([(stated(0.9), "bill"), (stated(0.9), None)]), "row 1: None is none"),
    "a label of another type": (lambda: threshold([(stated(0.9), ["bill"])]), "is none of the choices"),
    "more than sure": (lambda: threshold([(stated(1.5), "bill")]), "no probability of the answer from 0 to 1"),
    "less than not at all": (lambda: threshold([(stated(-0.5), "bill")]), "no probability of the answer from 0 to 1"),
    "not a number": (lambda: threshold([(stated(math.nan), "bill")]), "no probability of the answer from 0 to 1"),
    "an answer that is no choice": (lambda: threshold([(stated(0.5, "spam"), "bill")]), "no probability of the answer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_before_anything_is_asked(name: str, engine: ScriptedEngine) -> None:
    call, words = REFUSED[name]
    with pytest.raises(PromptUsageError, match=words):
        call()
    assert not engine.requests


def test_an_option_that_there_is_not_is_a_type_error() -> None:
    for call in (plan, search):
        with pytest.raises(TypeError, match="limits"):
            call(sort, CASES, limits=[3])


def test_a_score_that_no_float_can_hold_costs_its_row() -> None:
    report = evaluate(sort, MAILS, ["bill", "bill", "bill"], metric=lambda expected, got: 10**400)
    assert report.failures == {"MetricFailed": 3}


def test_a_proposal_that_is_no_text_is_none(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PromptUsageError, match="all 2 proposals of instructions failed"):
        search(sort, CASES, instructions=2, max_examples=0, proposer=proposes_nothing)
    assert "it returned None, which is no text" in caplog.text


def files(folder: Path) -> dict[str, tuple[Path, Callable[[Path], object]]]:
    """A file of each kind, as it is saved, and its reader."""
    Calibration(temperatures={"": 2.0}).save(folder / "calibration.json")
    sort.version.save(folder / "version.json")
    search(sort, CASES, budget=200).save(folder / "optimized.json")
    readers = {"calibration": Calibration.load, "version": Version.load, "optimized": OptimizedPrompts.load}
    return {name: (folder / f"{name}.json", read) for name, read in readers.items()}


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    for path, read in files(tmp_path).values():
        plain = read(path)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert read(path) == plain


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"null", b"[]", b"3", b"[" * 100_000, "{}".encode("utf-16"), b'{"a": "\xe9"}']
)
def test_a_file_of_something_else_is_told(content: bytes, tmp_path: Path) -> None:
    for path, read in files(tmp_path).values():
        path.write_bytes(content)
        with pytest.raises(PromptUsageError, match=f"{path.name}: this is no "):
            read(path)


@pytest.mark.parametrize("form", [0, -1, None, "1", True, 1.0, math.nan, [], {}])
def test_a_mark_that_is_no_version_is_told_and_a_later_one_too(form: object, tmp_path: Path) -> None:
    marks = {"calibration": "calibration", "version": "typefold_version", "optimized": "typefold_optimized"}
    for name, (path, read) in files(tmp_path).items():
        held = json.loads(path.read_text())
        for value, words in ((form, "this is no "), (99, "a later typefold wrote this")):
            path.write_text(json.dumps({**held, marks[name]: value}))
            with pytest.raises(PromptUsageError, match=words):
                read(path)


def test_a_name_that_a_file_does_not_know_is_told_and_so_is_a_number_that_is_none(tmp_path: Path) -> None:
    every = files(tmp_path)
    path, read = every["optimized"]
    held = json.loads(path.read_text())
    for inside in (held, held["prompts"][0], held["prompts"][0]["examples"][0]):
        inside["exmaples"] = []
        path.write_text(json.dumps(held))
        with pytest.raises(PromptUsageError, match="exmaples"):
            read(path)
        del inside["exmaples"]
    path, read = every["calibration"]
    held = json.loads(path.read_text())
    wrong: list[object] = [{"": math.nan}, {"": -1}, {"": 0}, {"": "hot"}, [], None, 3]
    for temperatures in wrong:
        path.write_text(json.dumps({**held, "temperatures": temperatures}))
        with pytest.raises(PromptUsageError, match="this is no calibration"):
            read(path)
    path.write_text(json.dumps({**held, "biases": {"": [0.5, math.inf]}}))
    with pytest.raises(PromptUsageError, match=r"this is no calibration .biases are finite numbers"):
        read(path)
    path.write_text(json.dumps({**held, "temprature": 1}))
    with pytest.raises(PromptUsageError, match="temprature"):
        read(path)
