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


@pytest.mark.parametrize("rows", [1, 7, 40, 1000])
def test_a_share_has_the_interval_that_scipy_gives_it(rows: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    for count in {0, 1, rows // 3, rows}:
        theirs = stats.binomtest(count, rows).proportion_ci(method="wilson")
        share = Estimate.share(count, rows)
        assert [share.low, share.high] == pytest.approx([theirs.low, theirs.high], abs=1e-9)


def test_a_mean_has_the_interval_that_scipy_gives_it() -> None:
    stats, numpy = pytest.importorskip("scipy.stats"), pytest.importorskip("numpy")
    values = [random.Random(9).expovariate(1.0) + number / 50 for number in range(40)]
    theirs = stats.bootstrap((values,), numpy.mean, n_resamples=20_000, rng=1).confidence_interval
    estimate = Estimate.mean(values)
    assert [estimate.low, estimate.high] == pytest.approx([theirs.low, theirs.high], rel=0.02)


@pytest.mark.parametrize(("gain", "loss", "rows"), [(0.1, 0.1, 30), (0.3, 0.05, 60), (0.02, 0.0, 50), (0.5, 0.1, 12)])
def test_the_interval_of_a_paired_difference_holds_it(gain: float, loss: float, rows: int) -> None:
    draw, held = random.Random(11), 0
    for _ in range(500):
        drawn = [draw.random() for _ in range(rows)]
        gained, lost = sum(each < gain for each in drawn), sum(each > 1 - loss for each in drawn)
        estimate = Estimate.paired(gained, lost, rows)
        assert estimate.low <= estimate <= estimate.high
        held += estimate.low <= gain - loss <= estimate.high
    assert held >= 0.93 * 500


@pytest.mark.parametrize(("chance", "rows"), [(0.5, 20), (0.9, 30), (0.98, 100), (0.02, 12)])
def test_the_interval_of_a_share_holds_it(chance: float, rows: int) -> None:
    draw, held = random.Random(12), 0
    for _ in range(1000):
        share = Estimate.share(sum(draw.random() < chance for _ in range(rows)), rows)
        held += share.low <= chance <= share.high
    assert held >= 0.92 * 1000  # Wilson's keeps 95% in the mean over chances, and a little less for some
