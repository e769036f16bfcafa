"""Temperatures fitted on labelled rows: they bring stated probabilities to the share of right answers, are kept in a file, and told where stale."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.evaluation.teams import Line, Team, Ticket, decide, lines, team
from typefold import (
    Calibration,
    PromptUsageError,
    Reasoned,
    Runtime,
    Scored,
    StaleCalibration,
    ask,
    calibrate,
    evaluate,
    prompt,
)
from typefold.decisions.calibration import tempered
from typefold.evaluation.calibrate import temperature_of
from typefold.evaluation.reliability import reliability
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine

TEAMS: tuple[Team, ...] = ("billing", "support", "sales")


def rows(count: int, seed: int, temperature: float) -> list[tuple[dict[str, float], str]]:
    """Rows whose labels are drawn from probabilities that were then stated at another temperature."""
    rng = random.Random(seed)
    made: list[tuple[dict[str, float], str]] = []
    for _ in range(count):
        weights = [math.exp(rng.gauss(0, 1.5)) for _ in TEAMS]
        true: dict[str, float] = {
            team: weight / math.fsum(weights) for team, weight in zip(TEAMS, weights, strict=True)
        }
        [label] = rng.choices(TEAMS, [true[team] for team in TEAMS])
        made.append((tempered(true, 1 / temperature), label))
    return made


@pytest.mark.parametrize("temperature", [0.3, 0.7, 1.0, 2.5, 6.0])
def test_the_temperature_at_which_rows_were_stated_is_found_again(temperature: float) -> None:
    assert temperature_of(rows(3000, 1, temperature)) == pytest.approx(temperature, rel=0.08)


@pytest.mark.parametrize("temperature", [0.4, 3.0])
def test_held_out_rows_are_calibrated_by_what_was_fitted_on_others(temperature: float) -> None:
    found = Calibration(temperatures={"": temperature_of(rows(1000, 1, temperature))})

    def error(calibration: Calibration) -> float:
        held = [(calibration.applied("", chances), label) for chances, label in rows(2000, 2, temperature)]
        judged = reliability((chances, label, max(chances, key=lambda each: chances[each])) for chances, label in held)
        assert judged is not None
        return judged.expected_error

    assert error(found) <= 0.04 < error(Calibration(temperatures={}))


def test_where_every_row_is_right_the_temperature_stays_within_reason() -> None:
    certain = [({"a": 0.9, "b": 0.1}, "a")] * 50
    assert 0.05 < temperature_of(certain) < 1
    assert temperature_of([({"a": 0.9, "b": 0.1}, "b")] * 50) < 20
    assert temperature_of([]) == pytest.approx(1, abs=1e-3)
    assert temperature_of([({"a": 1.0}, "a")]) == pytest.approx(1, abs=1e-3)


def test_a_temperature_keeps_the_order_and_the_sum() -> None:
    rng = random.Random(3)
    for _ in range(200):
        chances = {index: rng.random() ** 3 for index in range(rng.randint(2, 9))}
        bent = tempered(chances, math.exp(rng.uniform(-3, 3)))
        assert math.fsum(bent.values()) == pytest.approx(1)
        assert max(bent, key=bent.__getitem__) == max(chances, key=chances.__getitem__)
    assert tempered({"a": 0.0, "b": 1.0}, 2.0)["a"] > 0


@prompt
def plain(ticket: str) -> Team:
    return ask(ticket)


ANSWER = '{"team": "support", "urgent": true}'


def test_each_choice_has_a_temperature_of_its_own(tmp_path: Path) -> None:
    right = [Ticket(Scored.of(TEAMS[row % 3]), row % 2 == 0) for row in range(12)]
    with Runtime(ScriptedEngine(answers=lambda request: ANSWER)):
        found = calibrate(decide, [f"ticket {row}" for row in range(12)], right)
        assert list(found.temperatures) == ["team", "urgent"]
        assert (
            found.temperatures["team"] > 1 and found.temperatures["urgent"] > 1
        )  # a third and a half of 0.9 are right
        assert found.rows == 12
        before = decide("x")
        after = decide.using(calibration=found)("x")
        assert after.value.team.value == before.value.team.value
        assert after.value.team.probability < before.value.team.probability
        assert after.fields["urgent"].probabilities == found.applied("urgent", before.fields["urgent"].probabilities)
        found.save(tmp_path / "decide.json")
        assert decide.using(calibration=tmp_path / "decide.json")("x") == after
    assert Calibration.load(str(tmp_path / "decide.json")) == found


def test_choices_inside_of_lists_share_one() -> None:
    text = '[{"team": "support"}, {"team": "sales", "note": "late"}]'
    right = [[Line(team=Scored.of("support")), Line(team=Scored.of("billing")), Line(team=Scored.of("sales"))]] * 4
    with Runtime(ScriptedEngine(answers=lambda request: text)):
        found = calibrate(lines, ["a", "b", "c", "d"], right)
        assert list(found.temperatures) == ["[].team"]
        bent = lines.using(calibration=found)("a")
        assert bent[1].team.probability < lines("a")[1].team.probability


def test_rows_that_fail_are_left_out_and_labels_are_checked() -> None:
    def refuse(request: Request) -> str | None:
        return "no" if "bad" in str(request.prompt) else None

    with Runtime(ScriptedEngine(answers=lambda request: "sales", refuse=refuse)):
        assert calibrate(team, ["bad", "good"], ["sales", "sales"]).temperatures[""] < 1
        with pytest.raises(PromptUsageError, match="none of the 1 rows has an answer"):
            calibrate(team, ["bad"], ["sales"])
    wrong: Any = ["nobody"]
    with pytest.raises(PromptUsageError, match="labels don't fit"):
        calibrate(team, ["x"], wrong)
    with pytest.raises(PromptUsageError, match="has no probabilities"):
        calibrate(plain, ["x"], ["sales"])


def test_a_calibration_of_another_type_is_refused_and_of_another_prompt_told() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "sales")):
        found = calibrate(team, ["x"], ["sales"])

    @prompt
    def two(ticket: str) -> Scored[Literal["billing", "support"]]:
        return ask(ticket)

    with pytest.raises(PromptUsageError, match="two: the calibration is of another return type"):
        two.using(calibration=found)
    with pytest.raises(PromptUsageError, match="calibration has no place here"):
        plain.using(calibration=found)

    @prompt
    def reworded(ticket: str) -> Scored[Team]:
        return ask(f"Which team? {ticket}")

    with pytest.warns(StaleCalibration, match="fitted for another version") as told:
        reworded.using(calibration=found)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        team.using(calibration=found, timeout=60)
    assert team.using(calibration=found).version.digest == team.version.digest


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "[]",
        "{}",
        '{"calibration": 9}',
        '{"calibration": 1, "temperatures": {"": -1}}',
        '{"calibration": 1, "x": 2}',
    ],
    ids=str,
)
def test_a_file_that_is_no_calibration_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "some.json").write_text(content, encoding="utf-8")
    with pytest.raises(PromptUsageError, match=r"this is no calibration|wrote this calibration"):
        team.using(calibration=tmp_path / "some.json")


def test_calibrations_go_along_with_a_pickled_prompt() -> None:
    import pickle

    bent = team.using(calibration=Calibration(temperatures={"": 3.0}))
    with Runtime(ScriptedEngine(answers=lambda request: "sales")):
        assert pickle.loads(pickle.dumps(bent))("x") == bent("x")
        assert bent("x").probabilities == tempered(team("x").probabilities, 3.0)


def test_evaluations_read_choices_as_what_they_are() -> None:
    def answers(request: Request) -> str:
        return ANSWER

    chances: Mapping[str, float] = {"support": 0.8, "sales": 0.1, "billing": 0.1}
    with Runtime(ScriptedEngine(answers=answers)):
        right, wrong = Ticket(Scored.of("support"), True), Ticket(Scored.of("sales"), True)
        report = evaluate(decide, ["a", "b"], [right, wrong])
        assert report.accuracy == 0.5
        assert report.fields["team"].accuracy == 0.5
        assert report.fields["urgent"].accuracy == 1.0
        assert set(report.fields) == {"team", "urgent"}
    with Runtime(
        ScriptedEngine(answers=lambda request: "support" if request.probe else "Well.", chances=lambda request: chances)
    ):

        @prompt
        def judge(ticket: str) -> Reasoned[Scored[Team]]:
            return ask(ticket)

        right_team: Scored[Team] = Scored.of("support")
        assert evaluate(judge, ["a"], [right_team]).accuracy == 1.0
        assert json.loads(json.dumps(judge("a").value.probabilities)) == pytest.approx(chances)
