"""Biases of choices, fitted together with a temperature: they undo a leaning, change values where they should, and are kept in a file."""

from __future__ import annotations

import json
import math
import pickle
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator

from tests.evaluation.teams import Line, Team, Ticket, decide, lines, team
from typefold import (
    Calibration,
    PromptUsageError,
    Reasoned,
    Runtime,
    Scored,
    ask,
    calibrate,
    evaluate,
    prompt,
)
from typefold.decisions.calibration import tempered
from typefold.evaluation.calibrate import scaling_of, temperature_of
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine

Rows = list[tuple[dict[int, float], int]]


def chances_of(scores: Sequence[float]) -> dict[int, float]:
    total = math.fsum(map(math.exp, scores))
    return {choice: math.exp(score) / total for choice, score in enumerate(scores)}


def leaning(rng: random.Random, rows: int, biases: Sequence[float], temperature: float) -> Rows:
    """Rows whose labels are drawn from what is stated, once that is given a temperature and biases."""
    made: Rows = []
    for _ in range(rows):
        stated = chances_of([rng.gauss(0, 2) for _ in biases])
        true = tempered(stated, temperature, biases)
        made.append((stated, rng.choices([*true], [*true.values()])[0]))
    return made


def totals(rows: Rows, temperature: float, biases: Sequence[float]) -> list[float]:
    stated = [tempered(chances, temperature, biases) for chances, _ in rows]
    return [math.fsum(each[choice] for each in stated) for choice in range(len(biases))]


def loss(rows: Rows, temperature: float, biases: Sequence[float]) -> float:
    prior = (math.log(temperature) ** 2 + math.fsum(each * each for each in biases)) / 2
    return prior - math.fsum(math.log(tempered(chances, temperature, biases)[label]) for chances, label in rows)


@settings(max_examples=12, deadline=None)
@given(
    biases=st.lists(st.floats(-2, 2), min_size=2, max_size=5),
    temperature=st.floats(0.4, 2.5),
    seed=st.integers(0, 1000),
)
def test_known_biases_are_found_again(biases: list[float], temperature: float, seed: int) -> None:
    rows = leaning(random.Random(seed), 2500, biases, temperature)
    found, fitted = scaling_of(rows)
    middle = math.fsum(biases) / len(biases)
    assert math.fsum(fitted) == pytest.approx(0, abs=0.01)
    assert fitted == pytest.approx([each - middle for each in biases], abs=0.45)
    assert found == pytest.approx(temperature, rel=0.25)


@st.composite
def any_rows(draw: st.DrawFn) -> Rows:
    """Rows of any labels and any probabilities, zero and one among them; mostly some choice has no label."""
    choices = draw(st.integers(2, 6))
    weights = st.lists(st.sampled_from([0.0, 1e-9, 0.01, 0.3, 1.0, 50.0]), min_size=choices, max_size=choices)
    labels = st.integers(0, draw(st.integers(0, choices - 1)))
    made: Rows = []
    for drawn, label in draw(st.lists(st.tuples(weights.filter(any), labels), min_size=1, max_size=60)):
        made.append(({choice: weight / math.fsum(drawn) for choice, weight in enumerate(drawn)}, label))
    return made


@settings(max_examples=150, deadline=None)
@given(any_rows())
def test_choices_are_stated_as_often_as_they_are_right(rows: Rows) -> None:
    temperature, biases = scaling_of(rows)
    assert 0 < temperature < math.inf
    for choice, (total, bias) in enumerate(zip(totals(rows, temperature, biases), biases, strict=True)):
        count = sum(label == choice for _, label in rows)
        assert total == pytest.approx(count - bias, abs=0.02), (choice, temperature, biases)
    assert loss(rows, temperature, biases) <= loss(rows, temperature_of(rows), [0.0] * len(biases)) + 1e-3


def test_a_mean_is_near_its_share_where_rows_are_many_and_a_choice_without_labels_is_not_ruled_out() -> None:
    rng = random.Random(5)
    rows = leaning(rng, 2000, [1.0, -1.0, 0.5, -20.0], 0.5)
    found = scaling_of(rows)
    shares = [sum(label == choice for _, label in rows) / 2000 for choice in range(4)]
    assert [each / 2000 for each in totals(rows, *found)] == pytest.approx(shares, abs=0.005)
    assert shares[3] == 0 and -10 < found[1][3] < -2
    mixed = rng.sample(rows, len(rows))
    assert scaling_of(mixed)[1] == pytest.approx(found[1], abs=0.01)


@pytest.mark.parametrize("rows", [[], [({0: 1.0}, 0)], [({0: 0.7, 1: 0.3}, 5)]], ids=["none", "sole", "unknown"])
def test_where_nothing_can_be_learned_there_is_no_bias(rows: Rows) -> None:
    temperature, biases = scaling_of(rows)
    assert temperature == pytest.approx(1, abs=1e-3)
    assert biases == []


@pytest.mark.parametrize("right", [0, 1, 2])
@pytest.mark.parametrize("margin", [1e-4, 0.01, 0.3])
def test_where_every_row_is_right_or_wrong_the_fit_stays_finite(right: int, margin: float) -> None:
    """Right by a hair's breadth, each time, asks for a temperature near 0."""
    rows: Rows = []
    for row in range(900):
        chances = {choice: (1 - margin) / 3 + margin * (choice == row % 3) for choice in range(3)}
        rows.append((chances, (row + right) % 3))
    temperature, biases = scaling_of(rows)
    assert 0 < temperature < 1000
    assert biases == pytest.approx([0, 0, 0], abs=1e-3)
    assert all(math.isfinite(each) for each in tempered(rows[0][0], temperature, biases).values())


def test_rows_that_differ_in_their_choices_have_a_temperature_alone() -> None:
    rows: Rows = [({0: 0.7, 1: 0.3}, 0), ({0: 0.2, 1: 0.2, 2: 0.6}, 2)] * 20
    assert scaling_of(rows) == (temperature_of(rows), [])


@prompt
def judge(ticket: str) -> Reasoned[Scored[Team]]:
    return ask(ticket)


def leans(request: Request) -> dict[str, float]:
    """A model that likes to say support, and does so a little less where the ticket is about money."""
    return {"billing": 0.3 if "$" in str(request.prompt) else 0.1, "support": 0.55, "sales": 0.1}


TICKETS = [f"ticket {row}{' $' * (row % 2)}" for row in range(60)]
RIGHT: list[Team] = ["billing" if row % 2 else "support" for row in range(60)]


def test_a_decision_changes_where_the_model_leans(tmp_path: Path) -> None:
    with Runtime(ScriptedEngine(chances=leans)):
        assert evaluate(team, TICKETS, RIGHT).accuracy == 0.5
        warm, found = calibrate(team, TICKETS, RIGHT), calibrate(team, TICKETS, RIGHT, biases=True)
        bent = team.using(calibration=found)
        assert evaluate(team.using(calibration=warm), TICKETS, RIGHT).accuracy == 0.5
        report = evaluate(bent, TICKETS, RIGHT)
        before, after = team("$"), bent("$")
        found.save(tmp_path / "team.json")
        assert team.using(calibration=tmp_path / "team.json")("$") == after
    assert report.accuracy == 1.0
    assert (before.value, after.value) == ("support", "billing")
    assert after.probabilities == found.applied("", before.probabilities)
    assert after.probability == max(after.probabilities.values())
    assert after.outside == before.outside
    assert [*after.probabilities] == ["billing", "support", "sales"]


def test_a_temperature_alone_is_the_default_and_its_file_is_as_it_was(tmp_path: Path) -> None:
    with Runtime(ScriptedEngine(chances=leans)):
        found = calibrate(team, TICKETS, RIGHT)
        assert found == calibrate(team, TICKETS, RIGHT, biases=False)
    assert found.biases == {}
    found.save(tmp_path / "team.json")
    held = json.loads((tmp_path / "team.json").read_text())
    assert [*held] == ["calibration", "temperatures", "type_digest", "version", "rows"]
    assert Calibration.load(tmp_path / "team.json") == found


def test_biases_are_saved_loaded_and_pickled(tmp_path: Path) -> None:
    made = Calibration(temperatures={"": 2.0}, biases={"": [-1.0, 0.25, 0.75]}, rows=3)
    made.save(tmp_path / "team.json")
    assert Calibration.load(tmp_path / "team.json") == made == pickle.loads(pickle.dumps(made))
    Calibration(temperatures={}, biases={"": (1, 2)}).save(tmp_path / "whole.json")
    assert Calibration.load(tmp_path / "whole.json").biases == {"": [1.0, 2.0]}


def test_each_field_of_decisions_has_biases_of_its_own() -> None:
    right = [Ticket(Scored.of("sales"), row % 4 == 0) for row in range(60)]
    with Runtime(ScriptedEngine(answers=lambda request: '{"team": "support", "urgent": true}')):
        found = calibrate(decide, TICKETS, right, biases=True)
        before, after = decide("x"), decide.using(calibration=found)("x")
    assert {path: len(biases) for path, biases in found.biases.items()} == {"team": 3, "urgent": 2}
    assert before.value == Ticket(before.value.team, True) and before.value.team.value == "support"
    assert after.value.urgent is False and after.fields["urgent"].value is False
    assert after.value.team.value == after.fields["team"].value == "sales"
    assert after.value.team.probabilities == found.applied("team", before.value.team.probabilities)
    assert after.fields["urgent"].probabilities[True] == pytest.approx(0.25, abs=0.05)


def test_a_part_of_an_object_stays_as_it_was_written() -> None:
    right = [[Line(team=Scored.of("sales"), note="x")]] * 40
    with Runtime(ScriptedEngine(answers=lambda request: '[{"team": "support"}, {"team": "support", "note": "late"}]')):
        found = calibrate(lines, TICKETS[:40], right, biases=True)
        [first, _] = lines.using(calibration=found)("x")
        report = evaluate(lines.using(calibration=found), ["x"], [[Line(team=Scored.of("sales"))]])
    assert list(found.biases) == ["[].team"]
    assert first.team.value == "support"
    assert max(first.team.probabilities, key=first.team.probabilities.__getitem__) == "sales"
    stated = report.fields["[].team"].calibration
    assert stated is not None
    assert stated.expected_error == pytest.approx(
        first.team.probability
    )  # the answer's, which is wrong, not the likeliest's


def test_a_decision_behind_reasoning_changes_too() -> None:
    def chances(request: Request) -> dict[str, float] | None:
        return leans(request)

    with Runtime(ScriptedEngine(answers=lambda request: "support" if request.probe else "Well.", chances=chances)):
        assert judge("x").value.value == "support"
        found = calibrate(judge, TICKETS, [Scored.of("sales")] * 60, biases=True)
        assert judge.using(calibration=found)("x").value.value == "sales"


def test_texts_of_one_value_share_a_bias() -> None:
    @prompt
    def loud(ticket: str) -> Scored[Annotated[Literal["A", "a", "b"], AfterValidator(str.lower)]]:
        return ask(ticket)

    with Runtime(ScriptedEngine(answers=lambda request: "a")):
        found = calibrate(loud, TICKETS, ["b"] * 60, biases=True)
        assert len(found.biases[""]) == 2
        assert loud.using(calibration=found)("x").value == "b"


@pytest.mark.parametrize("biases", [[], [0.5], [1.0] * 4], ids=len)
def test_biases_for_more_or_fewer_choices_are_refused(biases: list[float]) -> None:
    given = Calibration(temperatures={"": 2.0}, biases={"": biases})
    with pytest.raises(
        PromptUsageError, match=rf"team: .* biases for {len(biases)} choices at '', which has 3; calibrate"
    ):
        team.using(calibration=given)


def test_biases_that_pass_for_those_of_other_choices_are_told_when_they_are_used() -> None:
    given = Calibration(temperatures={}, biases={"": [0.5, -0.5]})  # two might do, if two of three texts were one value
    with pytest.raises(PromptUsageError, match="has biases for 2 choices at '', which has 3"):
        given.applied("", {"a": 0.5, "b": 0.25, "c": 0.25})
    with Runtime(ScriptedEngine(chances=leans)), pytest.raises(PromptUsageError, match="2 choices at '', which has 3"):
        team.using(calibration=given)("x")
    assert given.applied("", {"a": 1.0}) == {"a": 1.0}
    with pytest.raises(PromptUsageError, match=r"of another return type .with choices at 'tone'"):
        team.using(calibration=Calibration(temperatures={}, biases={"tone": [0.5, -0.5]}))


WRONG: list[Any] = [
    None, 3, "x", [], [1, 2], {"": None}, {"": 1.0}, {"": "12"}, {"": []}, {"": [1.0]}, {"": {}}, {"": ["a", "b"]},
    {"": [math.nan, 0]}, {"": [math.inf, 0]}, {"": [0, -math.inf]}, {"": [None, 0]}, {"": [[0], [0]]}, {"": [10**400, 0]},
]  # fmt: skip


@pytest.mark.parametrize("biases", WRONG, ids=lambda each: repr(each)[:20])
def test_a_file_whose_biases_are_none_is_refused(biases: object, tmp_path: Path) -> None:
    path = tmp_path / "team.json"
    Calibration(temperatures={"": 2.0}, biases={"": [1.0, -1.0]}).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "biases": biases}))
    with pytest.raises(PromptUsageError, match=r"team\.json: this is no calibration \("):
        team.using(calibration=path)


def test_without_scipy_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    engine = ScriptedEngine(chances=leans)
    with Runtime(engine), pytest.raises(PromptUsageError, match=r'needs scipy: pip install "typefold\[evaluation\]"'):
        calibrate(team, TICKETS, ["b"] * 60, biases=True)
    assert engine.requests == []
