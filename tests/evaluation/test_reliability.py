"""Reliability: figures against their definitions, and the drawing."""

import random
import xml.etree.ElementTree as ET

import pytest

from typefold.evaluation import Reliability
from typefold.evaluation.reliability import reliability


def drawn(rows: int, *, overconfident: float = 0.0) -> Reliability:
    """The calibration of a model that is right as often as it says, or less often."""
    draw = random.Random(7)
    made: list[tuple[dict[str, float], str, str]] = []
    for _ in range(rows):
        confidence = draw.uniform(0.5, 1.0)
        right = draw.random() < confidence - overconfident
        made.append(({"yes": confidence, "no": 1 - confidence}, "yes" if right else "no", "yes"))
    found = reliability(made)
    assert found is not None
    return found


def test_nothing_is_said_of_no_rows() -> None:
    assert reliability([]) is None


def test_briers_score_is_that_of_all_choices() -> None:
    found = reliability([({"a": 0.7, "b": 0.2, "c": 0.1}, "b", "a")])
    assert found is not None
    assert found.brier == pytest.approx(0.7**2 + 0.8**2 + 0.1**2)
    sure = reliability([({"a": 1.0, "b": 0.0}, "a", "a")])
    assert sure is not None
    assert sure.brier == pytest.approx(0.0)


def test_the_expected_error_compares_stated_and_true_shares() -> None:
    rows = [({"a": 0.85, "b": 0.15}, "a", "a")] * 6 + [({"a": 0.85, "b": 0.15}, "b", "a")] * 4
    found = reliability(rows)
    assert found is not None
    assert found.expected_error == pytest.approx(0.25)
    [only] = found.bins
    assert (only.low, only.high, only.accuracy) == (0.8, 0.9, 0.6)
    assert only.confidence == pytest.approx(0.85)


def test_the_interval_of_the_expected_error_holds_the_truth() -> None:
    honest, boastful = drawn(2000).expected_error, drawn(2000, overconfident=0.2).expected_error
    assert honest.low <= 0.02
    assert boastful.low <= 0.2 <= boastful.high
    assert boastful.low > honest.high


def test_the_plot_is_an_svg_with_a_point_for_each_bin() -> None:
    found = drawn(300)
    root = ET.fromstring(found.svg(200))
    assert root.attrib["width"] == "200"
    circles = [each for each in root if each.tag.endswith("circle")]
    assert len(circles) == len(found.bins) > 3
    assert all(0 <= float(each.attrib["cx"]) <= 200 for each in circles)
