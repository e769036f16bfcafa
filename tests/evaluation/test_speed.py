"""The speed at full width, from times that are made up: nothing here looks at a clock."""

import math
import random
from collections.abc import Callable

import pytest

from typefold.evaluation.speed import Span, Speed, speed_of


def engine(lengths: list[int], width: int, *, begin: float = 0.0, read: float = 0.0) -> tuple[list[Span], float]:
    """The spans of requests that an engine answers, a token of each a step, and the seconds.

    A step takes a second at full width, and less where fewer run; to `begin` with, and to read a prompt, takes longer.
    """
    waiting, running, spans = list(enumerate(lengths)), list[list[int]](), list[Span]()
    now = begin
    while waiting or running:
        entering = waiting[: width - len(running)]
        waiting = waiting[len(entering) :]
        running += [[row, length] for row, length in entering]
        now += len(running) / width + read * len(entering)
        for each in running:
            each[1] -= 1
        spans += [Span(row, 0.0, now, lengths[row]) for row, left in running if not left]
        running = [each for each in running if each[1]]
    return sorted(spans, key=lambda span: span.row), now  # as they were sent


def measured(lengths: list[int], width: int, **how: float) -> Speed:
    spans, _ = engine(lengths, width, **how)
    found = speed_of(spans, width=width, costs_of=range(len(lengths)))
    assert found is not None
    return found


def uneven(rows: int, seed: int = 1) -> list[int]:
    rng = random.Random(seed)
    return [round(math.exp(rng.gauss(3, 0.7))) + 1 for _ in range(rows)]


def equal(rows: int) -> list[int]:
    return [20] * rows


@pytest.mark.parametrize("lengths", [uneven, equal])
@pytest.mark.parametrize("how", [{}, {"begin": 50.0}, {"read": 0.05}], ids=["", "a slow first step", "prompts"])
def test_a_sample_at_full_width_says_how_long_all_rows_take(
    lengths: Callable[[int], list[int]], how: dict[str, float]
) -> None:
    made = lengths(8000)
    found = measured(made[:400], 64, **how)
    _, truth = engine(made, 64, **how)
    assert found.is_full
    seconds = found.seconds(8000, 400)
    assert seconds == pytest.approx(truth, rel=0.1)
    assert seconds.low <= seconds <= seconds.high


def test_rows_of_several_calls_count_once() -> None:
    spans, _ = engine(uneven(800), 64)
    one = speed_of(spans, width=64, costs_of=range(800))
    for span in spans:
        span.row //= 2
    two = speed_of(spans, width=64, costs_of=range(400))
    assert one is not None and two is not None
    assert two.per_second == pytest.approx(one.per_second / 2)


def test_a_row_that_asks_nothing_takes_no_time() -> None:
    spans, _ = engine(uneven(400), 64)
    some = speed_of(spans, width=64, costs_of=range(400))
    more = speed_of(spans, width=64, costs_of=range(800))
    assert some is not None and more is not None
    assert more.per_second == pytest.approx(2 * some.per_second)


@pytest.mark.parametrize("rows", [1, 63, 64, 100])
def test_a_sample_that_does_not_fill_the_engine_gives_a_bound(rows: int) -> None:
    lengths = uneven(rows)
    found = measured(lengths, 64)
    _, truth = engine(lengths * 10, 64)
    assert not found.is_full
    assert found.needed >= 192
    seconds = found.seconds(10 * rows, rows)
    assert seconds.low == 0
    assert truth <= seconds.high == pytest.approx(10 * found.elapsed)
    assert found.per_second.high == math.inf


def test_all_rows_take_as_long_as_they_took() -> None:
    lengths = uneven(400)
    spans, truth = engine(lengths, 64)
    found = measured(lengths, 64)
    assert found.seconds(400, 400) == truth == found.elapsed
    assert len(spans) == 400


def test_without_requests_there_is_no_speed() -> None:
    assert speed_of([], width=64, costs_of=range(3)) is None
