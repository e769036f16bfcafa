"""`.sample(n)`, `majority` and `best_of`: several answers to a call, and one value made of them."""

import asyncio
import math
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from returns.result import Failure, Result, Success

from typefold import (
    BadInput,
    BatchError,
    Invalid,
    PromptError,
    PromptUsageError,
    Runtime,
    Scored,
    Truncated,
    ask,
    best_of,
    majority,
    prompt,
    run,
)
from typefold.runtime import Request
from typefold.runtime.engines.scripted import Answers, ScriptedEngine


@prompt(temperature=0.8)
def name(thing: str) -> str:
    return ask(f"Name {thing}.")


@prompt
def count(thing: str) -> int:
    return ask(f"How many {thing}?")


@prompt(temperature=1)
async def name_async(thing: str) -> str:
    return ask(f"Name {thing}.")


@prompt
def rate(text: str) -> Annotated[int, Field(ge=1, le=5)]:
    return ask(f"Rate {text}.")


@prompt
def sure(text: str) -> Scored[bool]:
    return ask(f"Is {text} true?")


@prompt
def verdict(text: str) -> Scored[Literal["keep", "drop"]]:
    return ask(text)


class Point(BaseModel):
    x: float
    labels: list[str]


def seeds(work: Any, **options: Any) -> list[Any]:
    engine = ScriptedEngine(answers=lambda request: "7")
    with Runtime(engine, **options):
        work()
    return [request.sampling.get("seed") for request in engine.requests]


def test_a_call_gives_n_values_in_one_batch_and_its_message_is_made_once() -> None:
    made: list[str] = []

    @prompt(temperature=0.5)
    def noted(thing: str) -> int:
        made.append(thing)
        return ask(thing)

    engine = ScriptedEngine(answers=["1", "2", "3"])
    with Runtime(engine):
        assert noted.sample(3)("x") == [1, 2, 3]
    assert (made, engine.steps) == (["x"], 2)
    assert repr(noted.sample(3)).startswith("<3 samples of ") and repr(noted.sample(3)).endswith("(thing: str) -> int>")


def test_rows_have_a_list_each_in_their_order() -> None:
    engine = ScriptedEngine(answers=["a", "b", "c", "d"])
    with Runtime(engine):
        assert name.sample(2).map(["x", "y"]) == [["a", "b"], ["c", "d"]]
    assert [request.row for request in engine.requests] == [0, 0, 1, 1]
    with Runtime(ScriptedEngine(answers=["a", "b"])):
        assert name.sample(1).starmap([("x",), ("y",)]) == [["a"], ["b"]]
        assert name.sample(2).map([]) == []


def test_a_sample_that_fails_fails_alone() -> None:
    with Runtime(ScriptedEngine(answers=["1", "no", "3", "4"])):
        first, second = count.sample(2).safe.map(["x", "y"])
    assert first[0] == Success(1) and second == [Success(3), Success(4)]
    assert isinstance(error := first[1].failure(), Invalid) and error.row == 0
    with Runtime(ScriptedEngine(answers=["1", "no"])), pytest.raises(BatchError, match="1 of 2 rows failed") as raised:
        count.sample(2)("x")
    assert raised.value.results[0] == Success(1)
    with Runtime(ScriptedEngine(answers=["1"])):
        assert name.sample(1).safe("x") == [Success("1")]


def test_a_row_whose_arguments_fail_has_its_error_for_each_sample() -> None:
    class Bad:
        def __format__(self, spec: str) -> str:
            raise ValueError("no text")

    bad: Any = Bad()
    with Runtime(ScriptedEngine(answers=["a", "b"])):
        first, second = name.sample(2).safe.map([bad, "y"])
    assert [isinstance(each.failure(), BadInput) for each in first] == [True, True]
    assert second == [Success("a"), Success("b")]


def test_samples_are_drawn_apart_and_a_runs_seed_repeats_them() -> None:
    drawn = seeds(lambda: name.sample(3).map(["x", "x"]), seed=1)
    assert len(set(drawn)) == 6
    assert drawn == seeds(lambda: name.sample(3).map(["x", "x"]), seed=1)
    assert drawn[:2] == seeds(lambda: name.sample(2).map(["x"]), seed=1)  # more samples leave the first as they were
    more = seeds(lambda: name.sample(4).map(["x", "x"]), seed=1)
    assert (more[:3], more[4:7]) == (drawn[:3], drawn[3:])
    assert len(set(seeds(lambda: run(name.sample(2), ["x", "x"]), seed=1))) == 4


def test_a_seed_of_its_own_counts_up_as_vllm_counts_for_n() -> None:
    assert seeds(lambda: name.using(seed=5).sample(3)("x")) == [5, 6, 7]
    assert seeds(lambda: name.sample(2)("x")) == [None, None]


def test_a_journal_tells_samples_apart(tmp_path: Path) -> None:
    for engine in (ScriptedEngine(answers=["a", "b", "c", "d"]), ScriptedEngine(answers=[])):
        with Runtime(engine, journal=tmp_path / "run.db"):
            assert name.sample(2).map(["x", "x"]) == [["a", "b"], ["c", "d"]]
    assert not engine.requests


def test_equal_samples_share_no_generation() -> None:
    with Runtime(ScriptedEngine()) as runtime:
        name.sample(3)("x")
        assert (runtime.stats.deduplicated, runtime.stats.succeeded) == (0, 3)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0.0}, {"top_k": 1}])
def test_a_greedy_prompt_has_one_sample(options: Any) -> None:
    greedy = name.using(**options)
    with pytest.raises(
        PromptUsageError, match=r"name: sample\(2\) of a prompt with \w+=\d would give one value 2 times"
    ):
        greedy.sample(2)
    with Runtime(ScriptedEngine(answers=["a"])):
        assert greedy.sample(1)("x") == ["a"]


def test_what_can_have_no_samples_is_said() -> None:
    with pytest.raises(
        PromptUsageError, match=re.escape("name: sample takes a number of samples of at least 1, not 0")
    ):
        name.sample(0)
    with pytest.raises(PromptUsageError, match=r"sure: sample\(3\) of a prompt that returns Scored"):
        sure.sample(3)
    with pytest.raises(TypeError, match=r"name\(\) missing a required argument: 'thing'"):
        name.sample(2)()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_async_prompts_have_samples_too() -> None:
    async def program() -> Any:
        two = name_async.sample(2)
        return await two("x"), await two.safe.map(["y"]), await two.starmap([("z",)]), await two.safe.starmap([("z",)])

    with Runtime(ScriptedEngine(answers=list("abcdefgh"))):
        once, mapped, starred, safe = asyncio.run(program())
    assert (once, mapped) == (["a", "b"], [[Success("c"), Success("d")]])
    assert (starred, safe) == ([["e", "f"]], [[Success("g"), Success("h")]])


def test_methods_have_samples() -> None:
    class Poet:
        @prompt
        def line(self, topic: str) -> str:
            return ask(topic)

    with Runtime(ScriptedEngine(answers=["a", "b"])):
        assert Poet().line.sample(2)("rain") == ["a", "b"]


def test_the_majority_of_values_that_can_not_be_hashed() -> None:
    points = [Point(x=1, labels=["a"]), Point(x=2, labels=[]), Point(x=2, labels=[]), Point(x=3, labels=[])]
    votes = majority(points)
    assert votes.winner is points[1]
    assert votes.counts == ((points[1], 2), (points[0], 1), (points[3], 1))
    assert (votes.share, votes.total, votes.failed) == (0.5, 4, 0)


def test_a_tie_is_the_first_seens_and_types_are_told_apart() -> None:
    assert majority(["b", "a", "a", "b"]).winner == "b"
    mixed: list[float] = [True, 1, 1.0, 1]
    assert [(type(value), votes) for value, votes in majority(mixed).counts] == [(int, 2), (bool, 1), (float, 1)]
    assert majority([Decimal("3.5"), Decimal("3.50")]).counts == ((Decimal("3.5"), 2),)


def test_failures_have_no_vote_and_are_counted() -> None:
    cut = Truncated(max_tokens=1)
    results: list[Result[int, PromptError]] = [Failure(cut), Success(2), Success(2), Success(1), Failure(cut)]
    votes = majority(results)
    assert (votes.winner, votes.total, votes.failed) == (2, 3, 2)
    none = majority([Failure(cut)])
    assert (none.counts, none.share, none.total) == ((), 0.0, 0)
    with pytest.raises(ValueError, match="no vote: all 1 answers failed"):
        _ = none.winner
    with pytest.raises(ValueError, match="no vote: there were no values"):
        _ = majority(list[int]()).winner


def test_the_best_by_a_prompt_is_judged_in_one_batch() -> None:
    engine = ScriptedEngine(answers=["2", "5", "3"])
    with Runtime(engine):
        best = best_of(["a", "b", "c"], rate)
    assert best.ranking == (("b", 5.0), ("c", 3.0), ("a", 2.0))
    assert (best.winner, best.score, engine.steps) == ("b", 5.0, 1)


def test_the_best_by_a_plain_function_leaves_failures_out() -> None:
    results: list[Result[str, PromptError]] = [Success("aa"), Failure(Truncated(max_tokens=1)), Success("bb")]
    best = best_of(results, len)
    assert (best.winner, best.failed) == ("aa", 1)
    with pytest.raises(ValueError, match="nothing to choose: there were no values"):
        _ = best_of(list[str](), len).score


def test_a_score_that_is_not_a_number_is_the_last() -> None:
    best = best_of([1, 2, 3, 4, 5], [0.0, 1.0, math.nan, 3.0, math.nan, 2.0].__getitem__)
    assert [value for value, _ in best.ranking] == [3, 5, 1, 2, 4]


def test_a_scored_judgement_counts_by_its_mean() -> None:
    def answer(request: Request) -> str:
        return "true" if "Is b" in str(request.prompt) else "false"

    with Runtime(ScriptedEngine(answers=answer)):
        best = best_of(["a", "b"], sure)
        assert best.winner == "b" and 0.5 < best.score < 1 and best.ranking[1][1] < 0.5
    with Runtime(ScriptedEngine(answers=lambda request: "keep")), pytest.raises(TypeError, match="a score is a number"):
        best_of(["a"], verdict)  # type: ignore[list-item, arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_samples_judgements_and_rows_share_one_batch(assembled: Callable[[int, Answers], ScriptedEngine]) -> None:
    def best_name(thing: str) -> str:
        return best_of(name.sample(3)(thing), rate).winner

    engine = assembled(9, lambda request: "3" if "Rate" in str(request.prompt) else "x")  # three samples of each row
    with Runtime(engine):
        assert run(best_name, ["a", "b", "c"]) == ["x"] * 3
    assert len(engine.requests) == 18
