"""Intervals against their definitions, and against the share of samples in which they hold the truth."""

import math
import pickle
import random

import pytest

from typefold.evaluation import Estimate


@pytest.mark.parametrize(
    ("count", "rows", "low", "high"),
    # Wilson's interval as statsmodels and scipy compute it.
    [(45, 50, 0.7864, 0.9565), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055)],
)
def test_a_share_has_wilsons_interval(count: int, rows: int, low: float, high: float) -> None:
    share = Estimate.share(count, rows)
    assert (share, share.rows) == (count / rows, rows)
    assert math.isclose(share.low, low, abs_tol=1e-4)
    assert math.isclose(share.high, high, abs_tol=1e-4)


def test_no_rows_say_nothing() -> None:
    for empty in (Estimate.share(0, 0), Estimate.mean([]), Estimate.quotient([], [])):
        assert math.isnan(empty)
        assert str(empty) == "unknown"
        assert not empty > 0.5


def test_an_estimate_is_a_number_that_shows_its_interval() -> None:
    share = Estimate.share(45, 50)
    assert share > 0.8
    assert share + 0.05 == pytest.approx(0.95)
    assert f"{share}" == "0.90 [0.79, 0.96]"
    assert f"{share:.3f}" == "0.900"
    assert repr(share) == "0.90 [0.79, 0.96] of 50 rows"
    assert repr(Estimate.share(1, 1)).endswith("of 1 row")
    again = pickle.loads(pickle.dumps(share))
    assert (again, again.low, again.high, again.rows) == (share, share.low, share.high, share.rows)


def test_the_interval_of_a_mean_holds_it_in_nineteen_of_twenty_samples() -> None:
    draw = random.Random(3)
    held = 0
    for _ in range(200):
        values = [draw.expovariate(1.0) for _ in range(60)]
        estimate = Estimate.mean(values)
        assert estimate == pytest.approx(sum(values) / 60)
        held += estimate.low <= 1.0 <= estimate.high
    assert 180 <= held <= 199


def test_the_interval_of_many_rows_needs_no_resampling() -> None:
    draw = random.Random(4)
    estimate = Estimate.mean([draw.random() for _ in range(5000)])
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * math.sqrt(1 / 12 / 5000), rel=0.05)


def test_equal_values_leave_no_doubt_and_one_value_all() -> None:
    same = Estimate.mean([2.0] * 20)
    assert (same, same.low, same.high) == (2.0, 2.0, 2.0)
    one = Estimate.mean([2.0])
    assert (one.low, one.high) == (-math.inf, math.inf)


def test_a_quotient_is_that_of_the_sums() -> None:
    draw = random.Random(5)
    held = 0
    for _ in range(200):
        rows = [(draw.randrange(3), draw.randrange(3, 6)) for _ in range(100)]
        estimate = Estimate.quotient([one for one, _ in rows], [other for _, other in rows])
        assert estimate == pytest.approx(sum(one for one, _ in rows) / sum(other for _, other in rows))
        held += estimate.low <= 1.0 / 4.0 <= estimate.high
    assert 180 <= held <= 199
    assert math.isnan(Estimate.quotient([0.0], [0.0]))
