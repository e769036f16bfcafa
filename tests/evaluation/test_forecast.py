"""`forecast`: what many rows will cost, from some of them; on the scripted engine, whose tokens are bytes."""

# Tests look inside:
# pyright: reportPrivateUsage=false

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import pytest
from pydantic import BaseModel, Field

from typefold import (
    Estimate,
    Forecast,
    NoRuntime,
    PromptUsageError,
    Reasoned,
    Runtime,
    Scored,
    ask,
    forecast,
    prompt,
    run,
)
from typefold.evaluation import forecasting
from typefold.evaluation.forecasting import chosen
from typefold.evaluation.observed import total
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


@prompt(describe_format=False, max_tokens=100)
def tell(thing: str) -> str:
    return ask(f"Tell of {thing}.")


@prompt(describe_format=False)
def judge(text: str) -> Literal["keep", "drop"]:
    return ask(f"Keep {text}?")


@prompt(describe_format=False, max_tokens=12)
def numbers(count: int, base: int = 10) -> list[int]:
    return ask(f"{count} numbers to base {base}")


def twice(thing: str) -> str:
    text = tell(thing)
    return text if judge(text) == "keep" else tell(text)


async def twice_async(thing: str) -> str:
    return await tell.aio(await tell.aio(thing))


def words_of(request: Request) -> str:
    assert not isinstance(request.prompt, str)
    return request.prompt[-1].content


def echo(request: Request) -> str:
    """As many letters as the prompt's last word says; of choices the first."""
    if request.constraint.kind != "text":
        return "keep"
    words = words_of(request).split()
    return "x" * int(words[-1].strip(".") if words[-1].strip(".").isdecimal() else 5)


def asked_of(engine: ScriptedEngine, work: Callable[[], Forecast], **options: Any) -> Forecast:
    with Runtime(engine, **options):
        return work()


def ends(estimate: Estimate) -> list[float]:
    return [estimate.low, float(estimate), estimate.high]


def row(number: int) -> str:
    return f"row {number:03} of length {number % 50}"


def test_a_sample_of_all_rows_is_exact() -> None:
    rows = [row(number) for number in range(40)]
    engine = ScriptedEngine(echo)
    found = asked_of(engine, lambda: forecast(tell, rows))
    assert found.asked == tuple(range(40))
    assert ends(found.output_tokens) == [sum(range(40)) + 40] * 3
    assert float(found.prompt_tokens) == sum(len(engine.tokenize(request)) for request in engine.requests)
    assert float(found.output_bytes) == sum(range(40)) + 40 * 3  # quotation marks and the end of a line
    [calls] = found.calls
    assert (calls.function, float(calls.per_row), float(calls.cut)) == ("tell", 1, 0)


def test_a_sample_is_one_of_a_hundred_spread_over_all_and_drawn_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "_COUNTED", 1000)  # tokens, beyond which prompts are not all counted
    engine = ScriptedEngine(echo)
    found = asked_of(engine, lambda: forecast(tell, [row(number % 1000) for number in range(20_000)]))
    assert len(engine.requests) == len(found.asked) == 200
    assert [index // 100 for index in found.asked] == list(range(200))
    assert chosen(20_000, 200, 0) == list(found.asked) != chosen(20_000, 200, 1)
    assert len(chosen(70, 64, 3)) == len({*chosen(70, 64, 3)}) == 64
    truth = sum(number % 50 + 1 for number in range(1000)) * 20
    assert found.output_tokens.low < truth < found.output_tokens.high
    assert found.prompt_tokens.low < found.prompt_tokens < found.prompt_tokens.high


def test_all_prompts_are_counted_and_rows_that_do_not_fit_are_named() -> None:
    rows = [row(number % 100) for number in range(500)]
    rows[17], rows[402] = "much " * 100, "too much " * 100
    engine = ScriptedEngine(echo, max_model_len=200)
    with Runtime(engine) as runtime:
        found = forecast(tell, rows)
        asked = len(engine.requests)
        results = tell.safe.map(rows)
    truth = [index for index, result in enumerate(results) if type(result).__name__ == "Failure"]
    assert asked == len([index for index in found.asked if index not in truth])
    assert [each.row for each in found.misfits] == truth == [17, 402]
    assert {each.error for each in found.misfits} == {"PromptTooLong"}
    assert "the prompt has" in found.misfits[0].reason
    assert (found.checked, ends(found.failures["PromptTooLong"])) == (500, [2 / 500] * 3)
    assert float(found.prompt_tokens) == sum(len(engine.tokenize(request)) for request in engine.requests[asked:])
    assert runtime.stats.failed >= 2


def test_without_a_sample_nothing_is_asked_and_answers_are_bounded_by_the_type() -> None:
    engine = ScriptedEngine(echo)
    rows = [row(number) for number in range(300)]
    found = asked_of(engine, lambda: forecast(judge, rows, sample=0))
    assert (engine.requests, found.asked, found.seconds) == ([], (), None)
    prompts = (Request(prompt=cast("Any", judge.render(each))) for each in rows)
    assert ends(found.prompt_tokens) == [sum(len(engine.tokenize(each)) for each in prompts)] * 3
    assert ends(found.output_tokens) == [300] * 3  # the first letter settles it
    free = asked_of(ScriptedEngine(echo), lambda: forecast(tell, rows, sample=0))
    assert (free.output_tokens.low, free.output_tokens.high) == (300, 300 * 100)
    assert math.isnan(free.output_tokens)


def test_bounds_hold_for_every_answer() -> None:
    class Card(BaseModel):
        name: Annotated[str, Field(max_length=12)]
        urgent: bool

    @prompt
    def card(text: str) -> Card:
        return ask(text)

    rows = [row(number) for number in range(60)]
    bounds = asked_of(ScriptedEngine(), lambda: forecast(card, rows, sample=0)).output_tokens
    truth = asked_of(ScriptedEngine(), lambda: forecast(card, rows)).output_tokens
    assert bounds.low <= truth <= bounds.high


def test_a_program_is_forecast_by_prompt_function() -> None:
    rows = [row(number) for number in range(60)]
    engine = ScriptedEngine(lambda request: "drop" if is_short(request) else echo(request))
    found = asked_of(engine, lambda: forecast(twice, rows))
    tell_calls, judge_calls = found.calls
    assert (tell_calls.function, judge_calls.function) == ("tell", "judge")
    assert (float(tell_calls.per_row), float(judge_calls.per_row)) == (1 + 20 / 60, 1)
    assert float(found.output_tokens) == tell_calls.output_tokens + judge_calls.output_tokens
    assert float(found.prompt_tokens) == sum(len(engine.tokenize(each)) for each in engine.requests)
    assert "calls" in str(found)


def is_short(request: Request) -> bool:
    return request.function == "judge" and len(words_of(request)) < len("Keep ?") + 10


def test_asynchronous_programs_and_prompts_and_nested_rows_count_for_their_own_row() -> None:
    def nested(thing: str) -> int:
        return len(tell.map([thing, thing])) + len(run(twice, [thing])) + len(tell.submit(thing).result())

    rows = [row(number) for number in range(9)]
    for function, calls in ((twice_async, 2), (nested, 5)):
        found = asked_of(ScriptedEngine(echo), lambda function=function: forecast(function, rows))  # type: ignore[misc]
        assert sum(each.per_row for each in found.calls) == calls
        assert not found.failures

    @prompt(describe_format=False)
    async def tell_async(thing: str) -> str:
        return ask(f"Tell of {thing}.")

    found = asked_of(ScriptedEngine(echo), lambda: forecast(tell_async, rows))
    assert float(found.output_tokens) == sum(range(9)) + 9


def test_answers_of_two_requests_count_both() -> None:
    @prompt(max_reasoning_tokens=30, describe_format=False)
    def think(thing: str) -> Reasoned[bool]:
        return ask(f"Is {thing} red?")

    engine = ScriptedEngine(lambda request: "true" if request.constraint.kind != "text" else "It is.")
    rows = [row(number) for number in range(200)]
    found = asked_of(engine, lambda: forecast(think, rows, sample=20))
    [calls] = found.calls
    assert float(calls.per_row) == 2
    prompts = [len(engine.tokenize(request)) for request in engine.requests]
    assert float(found.prompt_tokens) == pytest.approx(sum(prompts) * 10, rel=0.02)
    assert sum(prompts) < found.prompt_tokens.high

    @prompt
    def score(thing: str) -> Scored[bool]:
        return ask(f"Is {thing} red?")

    for several in (think, score):
        least = asked_of(ScriptedEngine(), lambda several=several: forecast(several, rows, sample=0))  # type: ignore[misc]
        assert (least.misfits, least.prompt_tokens.high, least.output_tokens.high) == ((), math.inf, math.inf)
        assert "or more" in str(least)


def test_several_arguments_methods_and_columns() -> None:
    class Shop:
        def __init__(self, name: str) -> None:
            self.name = name

        @prompt(describe_format=False)
        def greet(self, guest: str) -> str:
            return ask(f"{self.name} greets {guest} 4")

    engine = ScriptedEngine(lambda request: "[1, 2]" if request.constraint.kind != "text" else echo(request))
    with Runtime(engine):
        assert float(forecast.starmap(numbers, [(1, 2), (2, 8)]).output_tokens) == 14
        assert float(forecast.map_rows(numbers, [{"count": 1, "id": 5}, {"count": 2, "base": 2}]).output_tokens) == 14
        assert float(forecast(Shop("Ada").greet, ["Bob", "Eve"]).output_tokens) == 10
        assert forecast.map_rows(twice, [{"thing": "a 3"}, {"thing": "b 4"}]).calls[0].function == "tell"
        pandas = pytest.importorskip("pandas")
        found = forecast(tell, pandas.Series(["a 3", None, "c 3"]))
    assert [(each.row, each.error) for each in found.misfits] == [(1, "BadInput")]
    assert float(found.output_tokens) == 8


def test_failing_rows_cost_only_themselves() -> None:
    def fragile(thing: str) -> str:
        if "7" in thing:
            raise KeyError(thing)
        return tell(thing)

    rows = [row(number) for number in range(20)]
    found = asked_of(ScriptedEngine(echo), lambda: forecast(fragile, rows))
    assert {name: float(share) for name, share in found.failures.items()} == {"KeyError": 2 / 20}
    assert 0 < found.failures["KeyError"].low < 0.1 < found.failures["KeyError"].high
    assert float(found.calls[0].per_row) == 18 / 20
    every = asked_of(ScriptedEngine(echo), lambda: forecast(fragile, ["7"]))
    assert (every.calls, float(every.output_tokens), every.seconds) == ((), 0, None)
    assert str(every)


def test_another_limit_cuts_other_answers() -> None:
    rows = [f"a thing {length}" for length in [*[10] * 50, *[30] * 40, *[90] * 10]]
    found = asked_of(ScriptedEngine(echo), lambda: forecast(tell, rows, sample=100, max_tokens=[20, 31, 200]))
    limits = {each.max_tokens: each for each in found.calls[0].limits}
    assert [*limits] == [20, 31, 200]
    assert [float(each.cut) for each in limits.values()] == [0.5, 0.1, 0]
    assert [float(each.output_tokens) for each in limits.values()] == [
        50 * 11 + 50 * 20, 50 * 11 + 40 * 31 + 10 * 31, 50 * 11 + 40 * 31 + 10 * 91,
    ]  # fmt: skip
    assert [each.max_tokens for each in asked_of(ScriptedEngine(echo), lambda: forecast(tell, rows)).calls[0].limits]


def test_of_answers_that_were_cut_a_higher_limit_is_known_in_part() -> None:
    rows = [f"a thing {length}" for length in [*[10] * 30, *[90] * 10]]
    function = tell.using(max_tokens=50)
    found = asked_of(ScriptedEngine(echo), lambda: forecast(function, rows, max_tokens=[50, 80]))
    now, more = found.calls[0].limits
    assert (float(found.calls[0].cut), float(now.cut), float(now.output_tokens)) == (0.25, 0.25, 30 * 11 + 10 * 50)
    assert (more.cut.low, float(more.cut)) == (0, 0.25)
    assert (float(more.output_tokens), more.output_tokens.high) == (float(now.output_tokens), 30 * 11 + 10 * 80)


def test_objects_that_were_cut_failed_and_count() -> None:
    engine = ScriptedEngine(lambda request: "[1, 2, 3, 4, 5, 6]")
    found = asked_of(engine, lambda: forecast(numbers, list(range(10))))
    assert [*found.failures] == ["Truncated"]
    assert [float(each) for each in (found.calls[0].cut, found.output_tokens, found.output_bytes)] == [1, 120, 0]


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("work", [tell, twice], ids=["prompt", "program"])
def test_a_run_with_the_same_journal_does_not_pay_for_the_sample(tmp_path: Path, work: Any, seed: int | None) -> None:
    rows = [row(number % 90) for number in range(150)]  # some of them equal
    options: dict[str, Any] = {"seed": seed, "deduplicate": False}

    def all_rows() -> Any:
        return work.map(rows) if work is tell else run(work, rows)

    whole = ScriptedEngine()
    with Runtime(whole, **options):
        all_rows()
    for number, together in enumerate([True, False]):
        first, second = ScriptedEngine(), ScriptedEngine()
        path = tmp_path / f"{number}.db"
        with Runtime(first, journal=path, **options):
            found = forecast(work, rows)
            sampled = len(first.requests)
            if together:
                all_rows()
        with Runtime(second, journal=path, **options):
            all_rows()
        asked = [*first.requests, *second.requests]
        assert 0 < sampled < len(asked) == len(whole.requests)
        assert (len(second.requests) == 0) is together
        if seed is not None:
            assert sorted(each.sampling["seed"] for each in asked) == sorted(
                each.sampling["seed"] for each in whole.requests
            )
        assert found.journal_bytes > 0


def test_a_sample_out_of_a_journal_has_tokens_and_no_speed(tmp_path: Path) -> None:
    rows = [row(number) for number in range(50)]
    tight = tell.using(temperature=0, truncation="error", max_tokens=30)
    with Runtime(ScriptedEngine(echo), journal=tmp_path / "run.db"):
        first = forecast(tight, rows)
        again = forecast(tight, rows)
    assert first.seconds is not None and again.seconds is None
    assert (again.output_tokens, again.calls[0].cut) == (first.output_tokens, first.calls[0].cut)
    assert first.failures == again.failures
    assert list(first.failures) == ["Truncated"]


def test_rows_out_of_a_journal_take_no_time(tmp_path: Path) -> None:
    rows = [row(number) for number in range(50)]
    with Runtime(ScriptedEngine(echo), journal=tmp_path / "run.db"):
        tell.using(temperature=0).map(rows[:40])
        found = forecast(tell.using(temperature=0), rows)
    assert found.rows_per_second is not None and found.seconds is not None
    assert found.rows_per_second * found.seconds == pytest.approx(50)
    assert found.rows_per_second.rows == 10


def test_the_size_of_a_journal_is_about_right(tmp_path: Path) -> None:
    rows = [f"{row(number)} {'word ' * (number % 40)} 20" for number in range(3000)]
    with Runtime(ScriptedEngine(echo), journal=tmp_path / "run.db"):
        found = forecast(tell, rows)
        tell.map(rows)
    assert float(found.journal_bytes) == pytest.approx((tmp_path / "run.db").stat().st_size, rel=0.15)


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: forecast(tell, []), "there are no rows"),
        (lambda: forecast(tell, iter(["a"])), "can be read only once"),
        (lambda: forecast(tell, (each for each in "ab")), "a generator can be read only once"),
        (lambda: forecast(tell, "ab"), "which is one value"),
        (lambda: forecast(tell, ["a"], sample=-1), "sample is a number of rows"),
        (lambda: forecast(tell, ["a"], sample=True), "sample is a number of rows"),
        (lambda: forecast(tell, ["a"], max_tokens=[0]), "max_tokens is a list of limits"),
        (lambda: forecast(twice, ["a"], sample=0), "known by running it"),
        (lambda: forecast.map_rows(tell, cast("Any", [("a",)])), "a row of map_rows is a mapping"),
        (lambda: forecast.starmap(numbers, cast("Any", [{"count": 1}])), "a row of starmap is a tuple"),
    ],
)  # fmt: skip
def test_what_can_not_be_forecast_is_refused_before_anything_is_asked(work: Callable[[], object], words: str) -> None:
    engine = ScriptedEngine(echo)
    with Runtime(engine), pytest.raises(PromptUsageError, match=words):
        work()
    assert not engine.requests


def test_a_table_without_a_column_is_refused() -> None:
    pandas = pytest.importorskip("pandas")
    with Runtime(ScriptedEngine(echo)), pytest.raises(PromptUsageError, match="the table has no column thing"):
        forecast.map_rows(tell, pandas.DataFrame({"text": ["a"]}))
    with pytest.raises(NoRuntime):
        forecast(tell, ["a"])


def test_full_width_is_told_from_a_sample_that_was_too_small() -> None:
    rows = [row(number) for number in range(600)]
    small = asked_of(ScriptedEngine(echo, max_num_seqs=256), lambda: forecast(tell, rows, sample=20))
    assert not small.is_full_width
    assert small.needed == 768
    assert small.seconds is not None and small.seconds.low == 0
    assert "the rows are too few to fill the engine" in str(small)
    assert small.hours is not None and float(small.hours) == small.seconds / 3600


def test_a_forecast_is_shown_and_written() -> None:
    rows = [row(number) for number in range(300)]
    rows[5] = "long " * 100
    found = asked_of(ScriptedEngine(echo, max_model_len=200), lambda: forecast(tell, rows))
    held = json.loads(found.to_json())
    assert held["output_tokens"]["low"] <= held["output_tokens"]["value"] <= held["output_tokens"]["high"]
    assert held["misfits"][0]["row"] == 5
    assert held["calls"][0]["limits"]
    for words in (
        "tell: 300 rows, from 64 that were asked",
        "exactly",
        "with another max_tokens",
        "1 row can't be run",
    ):
        assert words in str(found)
        assert words.replace("'", "&#x27;") in found._repr_html_()
    with pytest.raises(AttributeError):
        found.rows = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


LENGTHS: dict[str, tuple[Callable[[random.Random], float], float]] = {
    "all equal": (lambda rng: 3, 16),
    "nearly equal": (lambda rng: rng.gauss(60, 10), 120),
    "uneven": (lambda rng: min(400, math.exp(rng.gauss(4, 0.6))), 400),
    "one of a hundred runs to the limit": (lambda rng: 300 if rng.random() < 0.01 else rng.gauss(60, 10), 300),
    "three of a hundred do": (lambda rng: 300 if rng.random() < 0.03 else rng.gauss(60, 10), 300),
    "half of them do": (lambda rng: 300 if rng.random() < 0.5 else rng.gauss(60, 10), 300),
}


@pytest.mark.parametrize("lengths", LENGTHS)
def test_intervals_hold_the_truth_as_often_as_they_say(lengths: str) -> None:
    draw, most = LENGTHS[lengths]
    rng, held = random.Random(lengths), 0
    for number in range(200):
        job = [draw(rng) for _ in range(1600)]
        found = total([job[index] for index in chosen(1600, 64, number)], 1600, most)
        held += found.low - 1e-6 <= math.fsum(job) <= found.high + 1e-6
    assert held >= 180
