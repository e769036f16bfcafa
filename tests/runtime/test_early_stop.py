"""Answers that are asked for no further than to where they are settled: whole values for fewer tokens."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Annotated, Any, Literal

import pytest

from typefold import Logged, OneOf, Runtime, ask, prompt
from typefold.compiler import Constraint
from typefold.compiler.grammar.nodes import Language, choice
from typefold.runtime import FinishReason, Outcome, Request, Scheduler, Truncated
from typefold.runtime.engines.scripted import ScriptedEngine

LABELS = ("politics", "sports", "science", "business", "technology")
TOPIC: Any = Literal[LABELS]
NEWS = Constraint.of(Language(choice(*LABELS)))


def asked(scheduler: Scheduler, request: Request) -> Outcome:
    [future] = scheduler.submit([request])
    return future.result(30)


@pytest.fixture
def random_answers() -> ScriptedEngine:
    return ScriptedEngine(answers=lambda request: random.Random(str(request.prompt)).choice(LABELS))


def test_a_settled_answer_is_whole_and_costs_what_settled_it(random_answers: ScriptedEngine) -> None:
    scheduler = Scheduler(random_answers)
    requests = [Request(prompt=str(number), constraint=NEWS) for number in range(50)]
    outcomes = [future.result(30) for future in scheduler.submit(requests)]
    expected = [random.Random(str(number)).choice(LABELS) for number in range(50)]
    assert [outcome.text for outcome in outcomes] == expected
    assert {outcome.finish_reason for outcome in outcomes} == {FinishReason.STOP}
    assert {outcome.output_tokens for outcome in outcomes} == {2}
    stats = scheduler.statistics
    assert (stats.steps, stats.output_tokens, stats.truncated) == (2, 100, 0)
    assert stats.tokens_saved == sum(len(text) + 1 - 2 for text in expected)
    scheduler.close()


def test_the_switch_asks_for_whole_answers(random_answers: ScriptedEngine) -> None:
    with Runtime(random_answers, early_stop=False) as runtime:
        outcome = runtime.submit([Request(prompt="7", constraint=NEWS)])[0].result(30)
        assert outcome.output_tokens == len(outcome.text) + 1
        assert runtime.stats.tokens_saved == 0


CHANGES: list[dict[str, Any]] = [
    {"sampling": {"logprobs": 1}},
    {"sampling": {"min_tokens": 3}},
    {"on_delta": str},
    {"constraint": Constraint.of(Language(choice("a", "b")))},
]


@pytest.mark.parametrize(
    "change",
    CHANGES,
    ids=["logprobs", "min_tokens", "streamed", "nothing to save"],
)
def test_whoever_looks_at_the_tokens_gets_them_all(change: dict[str, Any]) -> None:
    scheduler = Scheduler(
        ScriptedEngine(answers=lambda request: "b" if len(request.constraint.spec) == 2 else "science")
    )
    request = replace(Request(prompt="x", constraint=NEWS), **change)
    outcome = asked(scheduler, request)
    if "constraint" in change:
        assert (outcome.text, outcome.output_tokens, scheduler.statistics.tokens_saved) == ("b", 1, 1)
    else:
        assert (outcome.text, outcome.output_tokens) == ("science", 8)
    scheduler.close()


def test_a_streamed_answer_is_written_to_its_end() -> None:
    @prompt
    def topic(text: str) -> Literal["politics", "sports", "science"]:
        return ask(text)

    with Runtime(ScriptedEngine(answers=lambda request: "science")):
        stream = topic.stream("x")
        assert "".join(stream) == "science" == stream.result()


def test_choices_that_begin_alike_are_told_apart() -> None:
    names = ["north", "north-east", "north-west", "south"]
    for name in names:
        with Runtime(ScriptedEngine(answers=[name])) as runtime:
            assert runtime.generate("x", output_type=Annotated[str, OneOf(names)]) == name
            assert runtime.stats.output_tokens == min(len(name) + 1, 7)


def test_characters_of_several_bytes_are_whole() -> None:
    for name in ("é", "è", "ê!", "🦊", "🦉"):
        with Runtime(ScriptedEngine(answers=[name])) as runtime:
            assert runtime.generate("x", output_type=Literal["é", "è", "ê!", "🦊", "🦉"]) == name


def test_a_limit_that_is_enough_to_settle_it_is_enough(random_answers: ScriptedEngine) -> None:
    with Runtime(random_answers) as runtime:
        assert runtime.generate("7", output_type=TOPIC, max_tokens=2) in LABELS
        with pytest.raises(Truncated, match="max_tokens=1"):
            Runtime(ScriptedEngine(answers=["sports"])).generate(
                "x", output_type=Literal["sports", "science"], max_tokens=1
            )
    with Runtime(random_answers, early_stop=False) as runtime, pytest.raises(Truncated, match="max_tokens=2"):
        runtime.generate("7", output_type=TOPIC, max_tokens=2)


def test_logged_has_the_whole_text_and_the_tokens_that_settled_it() -> None:
    @prompt
    def topic(text: str) -> Logged[Literal["politics", "science"]]:
        return ask(text)

    with Runtime(ScriptedEngine(answers=lambda request: "science")):
        answer = topic("x")
    assert (answer.value, answer.text, answer.finish_reason) == ("science", "science", FinishReason.STOP)
    assert bytes(answer.token_ids) == b"s"


def test_equal_requests_share_a_settled_answer(random_answers: ScriptedEngine) -> None:
    scheduler = Scheduler(random_answers)
    request = Request(prompt="x", constraint=NEWS, sampling={"temperature": 0})
    texts = {asked(scheduler, request).text for _ in range(3)}
    assert len(texts) == 1 and texts <= set(LABELS) and scheduler.statistics.deduplicated == 2
    scheduler.close()


def test_a_text_that_is_none_of_them_is_no_value() -> None:
    scheduler = Scheduler(ScriptedEngine(answers=lambda request: "zzz"))
    with pytest.raises(Truncated):
        asked(scheduler, Request(prompt="x", constraint=NEWS))
    scheduler.close()
