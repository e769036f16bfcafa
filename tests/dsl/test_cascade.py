"""Cascades: rows of which the first function is in doubt go on to the second, each by itself."""

from __future__ import annotations

import asyncio
import math
import pickle
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, TypedDict

import pytest
from pydantic import AfterValidator, BaseModel
from returns.result import Failure, Success

from typefold import (
    BadInput,
    BatchError,
    Cascade,
    Invalid,
    Journal,
    Logged,
    PromptUsageError,
    Reasoned,
    Runtime,
    Scored,
    TimedOut,
    Votes,
    ask,
    cascade,
    gather,
    prompt,
    run,
    system,
)
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.testing import FakeEngine

Label = Literal["good", "bad", "mixed"]


def short(word: str) -> str:
    if len(word) > 5:
        raise ValueError("a word of five letters at most")
    return word


Word = Annotated[str, AfterValidator(short)]


@prompt
def scored(text: str) -> Scored[Label]:
    return ask(f"quick {text}")


@prompt
def quick(text: str) -> Label:
    return ask(f"quick {text}")


@prompt
def careful(text: str) -> Label:
    return ask(f"careful {text}")


@prompt(describe_format=False)
def word(text: str) -> Word:
    return ask(f"quick {text}")


@prompt(describe_format=False)
def better_word(text: str) -> Word:
    return ask(f"careful {text}")


@prompt
async def quick_async(text: str) -> Label:
    return ask(f"quick {text}")


@prompt
async def careful_async(text: str) -> Label:
    return ask(f"careful {text}")


def said(request: Request) -> str:
    return request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content


def small_answer(request: Request) -> str:
    text = said(request)
    return next((label for label in ("good", "bad", "mixed") if label in text), "good")


class Two:
    """Two runtimes: a small one, which is the current one, and a large one."""

    def __init__(self, answer: Any = small_answer, journal: Path | None = None, **options: Any) -> None:
        self.engine, self.other_engine = ScriptedEngine(answers=answer), ScriptedEngine(answers=lambda request: "bad")
        self.other = Runtime(self.other_engine, journal=None if journal is None else f"{journal}-2", **options)
        self.small = Runtime(self.engine, journal=journal, **options)

    def __enter__(self) -> Two:
        self.small.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.small.__exit__(*raised)
        self.other.close()


@pytest.fixture
def two() -> Iterator[Two]:
    with Two() as both:
        yield both


def test_rows_below_the_probability_go_on(two: Two) -> None:
    both = cascade(scored, careful.using(runtime=two.other), doubt=0.5)
    assert both.map(["good a", "bad b"]) == ["good", "bad"]
    assert both.counts == type(both.counts)(rows=2, passed_on=0)
    assert not two.other_engine.requests
    strict = cascade(scored, careful.using(runtime=two.other), doubt=0.99)
    assert strict.map(["good a", "bad b"]) == ["bad", "bad"]
    assert [said(request) for request in two.other_engine.requests] == ["careful good a", "careful bad b"]
    assert (strict.counts.passed_on, strict.counts.share, strict.counts.reasons) == (2, 1.0, {"doubt": 2})


def test_a_function_of_the_answer_says_which(two: Two) -> None:
    both = cascade(quick, careful.using(runtime=two.other), doubt=lambda label: label == "mixed")
    assert both.map(["good", "mixed", "good"]) == ["good", "bad", "good"]
    kept = cascade(scored, scored.using(runtime=two.other), doubt=lambda answer: answer.value == "mixed")
    answers = kept.map(["good", "mixed"])
    assert [type(answer) for answer in answers] == [Scored, Scored]
    assert [answer.value for answer in answers] == ["good", "bad"]


def test_a_failed_check_goes_on_and_a_second_one_is_the_row_s(two: Two) -> None:
    small = ScriptedEngine(answers=lambda request: "a long word" if "long" in said(request) else "tiny")
    large = ScriptedEngine(answers=lambda request: "much too long" if "very" in said(request) else "brief")
    with Runtime(large) as other, Runtime(small):
        both = cascade(word, better_word.using(runtime=other))
        results = both.safe.map(["x", "long", "very long"])
    assert results[:2] == [Success("tiny"), Success("brief")]
    error = results[2].failure()
    assert isinstance(error, Invalid) and error.function == "better_word" and error.row == 2
    assert both.counts.reasons == {"Invalid": 2}
    with Runtime(large) as other, Runtime(small), pytest.raises(BatchError):
        cascade(word, better_word.using(runtime=other)).map(["very long"])


def test_bad_arguments_fail_at_once(two: Two) -> None:
    both = cascade(quick, careful.using(runtime=two.other))
    [result] = both.safe.map([None])  # type: ignore[list-item]
    assert isinstance(result.failure(), BadInput)
    assert both.counts.rows == 0 and not two.engine.requests


def test_a_doubt_that_raises_costs_its_row(two: Two) -> None:
    def doubt(label: Label) -> bool:
        return {"good": False}[label]

    results = cascade(quick, careful.using(runtime=two.other), doubt=doubt).safe.map(["good", "mixed"])
    assert results[0] == Success("good")
    assert isinstance(results[1], Failure) and "KeyError" in str(results[1].failure())


@pytest.mark.parametrize(
    ("votes", "doubt", "asked", "answer"),
    [
        (["good"] * 5, 0.6, 3, "good"),  # settled after three of five
        (["good", "bad", "good", "good"], 0.6, 4, "good"),
        (["good", "bad", "mixed", "good", "bad"], 0.6, 5, "large"),
        (["good", "bad", "mixed"], 0.8, 3, "large"),  # four can't be reached any more
        (["good", "bad"], 1.0, 2, "large"),
        (["good"] * 5, 1.0, 5, "good"),
        (["good", "bad", "bad", "mixed", "good"], 0.4, 5, "good"),
        (["good", "bad", "bad", "bad"], 0.2, 4, "bad"),
    ],
)
def test_votes_that_differ_go_on_and_end_when_they_are_settled(
    votes: list[str], doubt: float, asked: int, answer: str
) -> None:
    small, large = ScriptedEngine(answers=[*votes]), ScriptedEngine(answers=lambda request: "mixed")
    with Runtime(large) as other, Runtime(small):
        both = cascade(quick.using(temperature=1).sample(5), careful.using(runtime=other), doubt=doubt)
        assert both("x") == ("mixed" if answer == "large" else answer)
    assert len(small.requests) == asked
    assert len(large.requests) == (answer == "large")


def test_a_function_of_the_votes_sees_all_of_them() -> None:
    seen: list[Votes[Label]] = []

    def doubt(votes: Votes[Label]) -> bool:
        seen.append(votes)
        return votes.share < 0.5

    with Runtime(ScriptedEngine(lambda request: "bad")) as other, Runtime(ScriptedEngine(["good", "bad", "good"])):
        both = cascade(quick.using(temperature=1).sample(3), careful.using(runtime=other), doubt=doubt)
        assert both("x") == "good"
    assert [(votes.counts, votes.total) for votes in seen] == [((("good", 2), ("bad", 1)), 3)]


def test_votes_on_reasoned_answers_are_on_their_values() -> None:
    @prompt(temperature=1)
    def think(text: str) -> Reasoned[int]:
        return ask(text)

    answers = ["Hm.", "18", "Well.", "18"]
    with Runtime(ScriptedEngine(lambda request: "9")) as other, Runtime(ScriptedEngine(answers)):
        assert cascade(think.sample(3), think.using(runtime=other), doubt=0.6)("9 + 9?").value == 18


def test_votes_that_fail_are_votes_against() -> None:
    with (
        Runtime(ScriptedEngine(lambda request: "brief")) as other,
        Runtime(ScriptedEngine(lambda request: "far too long")),
    ):
        both = cascade(word.using(temperature=1).sample(3), better_word.using(runtime=other), doubt=0.5)
        assert both("x") == "brief"
        assert both.counts.reasons == {"Invalid": 1}


def test_each_sample_has_a_seed_of_its_own_and_the_same_the_second_time() -> None:
    def seeds(rows: list[str], **options: Any) -> list[Any]:
        small, large = ScriptedEngine(lambda request: "good"), ScriptedEngine(lambda request: "good")
        with Runtime(large, **options) as other, Runtime(small, **options):
            both = cascade(quick.using(temperature=1).sample(3), careful.using(runtime=other), doubt=lambda votes: True)
            both.map(rows)
        return sorted(
            (said(request), request.sampling.get("seed") or -1) for request in (*small.requests, *large.requests)
        )

    first = seeds(["a", "b"], seed=7)
    assert first == seeds(["a", "b"], seed=7)
    assert len({seed for _, seed in first}) == 8
    assert first != seeds(["a", "b"], seed=8)


def test_a_seed_of_the_caller_counts_up() -> None:
    small = ScriptedEngine(lambda request: "good")
    with Runtime(small):
        cascade(quick.using(temperature=1, seed=5).sample(3), careful, doubt=lambda votes: False)("a")
    assert [request.sampling["seed"] for request in small.requests] == [5, 6, 7]


def test_rows_of_the_first_function_go_on_while_the_second_one_works() -> None:
    """The second engine holds its row back until all rows of the first have ended: with waves that would never be."""
    ended = threading.Event()
    count = iter(range(1, 100))

    def small(request: Request) -> str:
        if next(count) == 40:
            ended.set()
        return "mixed" if "row 0." in said(request) else "good"

    def large(request: Request) -> str:
        assert ended.wait(30)
        return "bad"

    with Runtime(ScriptedEngine(large)) as other, Runtime(ScriptedEngine(small, max_num_seqs=4)):
        both = cascade(quick, careful.using(runtime=other), doubt=lambda label: label == "mixed")
        found = both.map([f"row {number}." for number in range(40)])
    assert found == ["bad"] + ["good"] * 39


def test_all_ways_to_call_it(two: Two) -> None:
    both = cascade(quick, careful.using(runtime=two.other), doubt=lambda label: label == "mixed")
    assert both("mixed") == "bad"
    assert both.starmap([("good",), ("mixed",)]) == ["good", "bad"]
    assert both.map_rows([{"text": "mixed"}, {"text": "good"}]) == ["bad", "good"]
    assert both.submit("mixed").result(30) == "bad"
    assert asyncio.run(both.aio("mixed")) == "bad"
    assert both.safe("mixed") == Success("bad")
    assert run(both, ["mixed", "good"]) == ["bad", "good"]
    assert run(lambda text: both(text) + careful(text), ["mixed"]) == ["badmixed"]
    assert gather(both.defer("mixed"), both.defer("good")) == ("bad", "good")
    assert dict(run.stream(both, ["mixed"])) == {0: Success("bad")}
    assert both.sample(2)("mixed") == ["bad", "bad"]
    assert both.counts.passed_on == 12


def test_a_stream_has_a_part_for_each_answer(two: Two) -> None:
    both = cascade(quick, careful.using(runtime=two.other), doubt=lambda label: label == "mixed")
    with both.stream("mixed") as stream:
        assert "".join(stream) == "mixedbad"
        assert (stream.part, stream.text, stream.result()) == (2, "bad", "bad")
    with both.stream("mixed") as stream:
        assert [*stream.partials()][-1] == "bad"
    with cascade(scored, careful.using(runtime=two.other), doubt=0.99).stream("good") as stream:
        assert stream.result() == "bad"


def test_asynchronous_functions(two: Two) -> None:
    both = cascade(quick_async, careful_async.using(runtime=two.other), doubt=lambda label: label == "mixed")

    async def main() -> Any:
        async with both.stream("mixed") as stream:
            read = await stream.result()
        return await both("mixed"), await both.map(["good", "mixed"]), await both.safe("mixed"), read

    assert asyncio.run(main()) == ("bad", ["good", "bad"], Success("bad"), "bad")
    with Runtime(ScriptedEngine(["good", "bad"])):
        voted = cascade(quick_async.using(temperature=1).sample(2), careful_async.using(runtime=two.other), doubt=1.0)
        assert asyncio.run(voted.aio("x")) == "bad"


def test_cascades_of_cascades(two: Two) -> None:
    third = ScriptedEngine(lambda request: "good")
    with Runtime(third) as last:

        @prompt
        def best(text: str) -> Label:
            return ask(f"best {text}")

        def unsure(label: Label) -> bool:
            return label == "mixed"

        def wrong(label: Label) -> bool:
            return label == "bad"

        inner = cascade(quick, careful.using(runtime=two.other), doubt=unsure)
        left = cascade(inner, best.using(runtime=last), doubt=wrong)
        right = cascade(
            quick, cascade(careful.using(runtime=two.other), best.using(runtime=last), doubt=wrong), doubt=unsure
        )
        with two.small:
            assert left.map(["good", "mixed", "bad"]) == ["good", "good", "good"]
            assert right.map(["good", "mixed", "bad"]) == ["good", "good", "bad"]
    assert len(two.other_engine.requests) == 2 and inner.counts.rows == 3
    assert (left.counts.rows, left.counts.passed_on, right.counts.passed_on) == (3, 2, 1)


class Desk:
    def __init__(self, name: str) -> None:
        self.name = name

    @prompt
    def small(self, text: str) -> Label:
        return ask(system(self.name), f"quick {text}")

    @prompt
    def large(self, text: str) -> Label:
        return ask(system(self.name), f"careful {text}")

    sort = cascade(small, large, doubt=lambda label: label == "mixed")


def test_methods(two: Two) -> None:
    desk = Desk("Ada")
    assert desk.sort("good") == "good"
    by_class: Any = Desk.sort
    assert by_class(desk, "good") == "good"
    assert desk.sort.map(["good", "mixed"]) == ["good", "mixed"]
    assert all(request.prompt[0].content.startswith("Ada") for request in two.engine.requests)  # type: ignore[union-attr]
    assert Desk.sort.counts.rows == 4


def test_options_and_examples_go_to_both(two: Two) -> None:
    both = cascade(quick, careful.using(runtime=two.other), doubt=lambda label: True)
    both.using(temperature=0.25, max_tokens=9)("good")
    both.with_examples(both.example("bad", "worse"))("good")
    for engine in (two.engine, two.other_engine):
        first, second = engine.requests
        assert (first.sampling["temperature"], first.sampling["max_tokens"]) == (0.25, 9)
        assert [turn.role for turn in second.prompt][-3:] == ["user", "assistant", "user"]  # type: ignore[union-attr]
    assert both.counts.rows == 0
    with Runtime(ScriptedEngine(lambda request: "mixed")) as one:
        assert both.using(runtime=one)("good") == "mixed"
    assert "quick good" in str(both.render("good"))


def test_timeouts_are_no_doubt() -> None:
    with FakeEngine() as fake:
        fake.answer(quick, TimedOut(function="quick", row=None, prompt="", timeout=1.0, text=""))
        both = cascade(quick, careful)
        assert isinstance(both.safe("x").failure(), TimedOut)
        assert fake.count(careful) == 0
    assert both.counts.rows == 0


def test_a_journal_goes_on_with_both(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    rows = [f"{label} {number}" for number in range(5) for label in ("good", "mixed")]

    def asked(rows: list[str]) -> tuple[list[Label], int, int, Any]:
        with Two(journal=path, seed=3) as two:
            both = cascade(
                quick.using(temperature=0.7).sample(2),
                careful.using(runtime=two.other, temperature=0.7),
                doubt=lambda votes: votes.winner == "mixed",
            )
            found = both.map(rows)
            return found, len(two.engine.requests), len(two.other_engine.requests), both.counts

    first = asked(rows[:4])
    assert first[1:3] == (8, 2)
    whole = asked(rows)
    assert whole[0][:4] == first[0]
    assert whole[1:3] == (12, 3)
    again = asked(rows)
    assert again == (whole[0], 0, 0, whole[3])
    with Journal(path, read_only=True) as journal:
        assert {record.version for record in journal.records()} == {quick.using(temperature=0.7).version.digest}


def test_it_pickles_as_the_prompts_do() -> None:
    both = cascade(quick.using(temperature=1).sample(3), careful, doubt=0.5)
    again: Cascade[Any] = pickle.loads(pickle.dumps(both.safe))
    with Runtime(ScriptedEngine(lambda request: "good")):
        assert again("x") == Success("good")
    assert again.version == both.version


def test_a_version_is_of_both_functions_and_the_doubt() -> None:
    both = cascade(scored, careful, doubt=0.5)
    assert both.version.digest == cascade(scored, careful, doubt=0.5).version.digest
    others = [
        cascade(scored, careful, doubt=0.6),
        cascade(scored, careful.using(temperature=0), doubt=0.5),
        cascade(scored.with_examples(scored.example("good", "fine")), careful, doubt=0.5),
        cascade(scored, careful, doubt=lambda answer: answer.probability < 0.5),
        cascade(quick.using(temperature=1).sample(2), careful, doubt=0.5),
    ]
    assert len({each.version.digest for each in (both, *others)}) == 6
    assert "first.temperature: 1" in both.version.diff(others[-1].version)


def test_a_fake_answers_both() -> None:
    with FakeEngine() as fake:
        fake.answer(quick, "mixed")
        fake.answer(careful, "bad")
        assert cascade(quick, careful, doubt=lambda label: label == "mixed")("x") == "bad"


@prompt
def number(text: str) -> int:
    return ask(text)


@prompt
def numbered(text: str, number: int) -> Label:
    return ask(text * number)


@prompt
def named_only(*, text: str) -> Label:
    return ask(text)


untyped: Any = cascade  # what follows is refused by type checkers too


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: untyped(quick, careful, doubt=0.5), "is a probability, which quick does not give"),
        (lambda: untyped(scored, careful, doubt=1.5), "from 0 to 1"),
        (lambda: untyped(scored, careful, doubt=True), "from 0 to 1"),
        (lambda: untyped(scored, careful, doubt="0.5"), "from 0 to 1"),
        (lambda: untyped(str.upper, careful), "a prompt or .sample"),
        (lambda: untyped(quick, str.upper), "the second function is a prompt"),
        (lambda: untyped(quick, quick_async), "async def"),
        (lambda: untyped(quick.safe, careful), ".safe goes on the cascade"),
        (lambda: untyped(quick, Desk.large), "other parameters"),
        (lambda: untyped(quick, numbered), r"\(text\) and \(text, number\)"),
        (lambda: untyped(quick, named_only), r"\(text\) and \(\*, text\)"),
        (lambda: untyped(word, quick), "return other types, .*str.* and Literal"),
        (lambda: untyped(scored, number, doubt=0.5), "return other types"),
        (lambda: untyped(quick.sample(3), number, doubt=0.5), "return other types"),
        (lambda: untyped(number, quick), "return other types"),
        (lambda: untyped(quick, scored), "return other types, Literal.* and .*Scored"),
        (lambda: untyped(quick.sample(0), careful, doubt=0.5), "sample"),
        (lambda: untyped(scored, careful, doubt=math.nan), "from 0 to 1"),
        (lambda: untyped(scored, careful, doubt=-0.1), "from 0 to 1"),
    ],
)
def test_what_can_not_work_is_refused_when_it_is_made(make: Any, words: str) -> None:
    with pytest.raises(PromptUsageError, match=words):
        make()


def is_bad(answer: Logged[Label]) -> bool:
    return answer.value == "bad"


def test_the_answer_has_the_type_of_the_second_function() -> None:
    @prompt
    def logged(text: str) -> Logged[Label]:
        return ask(f"quick {text}")

    with Runtime(ScriptedEngine(lambda request: "good")):
        both = untyped(logged, careful, doubt=is_bad)
        assert both("x") == "good"


def test_an_answer_of_a_narrower_type_is_one_of_the_second_function_s() -> None:
    """Type checkers differ here; at run time it is safe."""
    with Runtime(ScriptedEngine(lambda request: "good")):
        assert untyped(quick, word)("x") == "good"


class Card(BaseModel):
    name: str


class LongCard(Card):
    text: str


class Row(TypedDict):
    name: str


class OtherRow(TypedDict):
    name: str


Name = NewType("Name", str)


@pytest.mark.parametrize(
    ("narrow", "wide", "fits"),
    [
        (Literal["a"], Literal["b", "a"], True),
        (Literal["a", "c"], Literal["a", "b"], False),
        (Literal[1], Literal[True], False),
        (Literal[True], int, True),
        (Literal["a"], int, False),
        (str, Literal["a"], False),
        (Word, str, True),
        (str, Word, True),  # conditions are the second function's to keep or not
        (Name, str, True),
        (str, Name, False),
        (LongCard, Card, True),
        (Card, LongCard, False),
        (Row, Row, True),
        (Row, OtherRow, False),
        (Card, Row, False),
        (Row, dict, True),
        (list[LongCard], list[Card], True),
        (list[str], list[int], False),
        (list[str], Sequence[str], True),
        (tuple[int, str], tuple[int], False),
        (str, str | None, True),
        (str | None, str, False),
        (None | str, str | None, True),
        (int, Any, True),
    ],
)
def test_types_within_another(narrow: Any, wide: Any, *, fits: bool) -> None:
    def small(text: str) -> Any: ...
    def large(text: str) -> Any: ...

    small.__annotations__["return"], large.__annotations__["return"] = narrow, wide
    pair = [prompt(each) for each in (small, large)]
    if fits:
        untyped(*pair)
    else:
        with pytest.raises(PromptUsageError, match="return other types"):
            untyped(*pair)
