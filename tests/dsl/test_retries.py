"""Asking again: what a row is told when its answer failed a check, and what becomes of one that was cut off."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, field_validator
from returns.result import Success

from typefold import (
    BatchError,
    Invalid,
    PromptUsageError,
    Runtime,
    TimedOut,
    Truncated,
    ask,
    assistant,
    prompt,
    raw,
    run,
    system,
    user,
)
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


def lower(text: str) -> str:
    if text != text.lower():
        raise ValueError("must be in lower case")
    return text


Name = Annotated[str, AfterValidator(lower)]


class Pet(BaseModel):
    name: Name
    legs: int

    @field_validator("legs")
    @classmethod
    def even(cls, legs: int) -> int:
        if legs % 2:
            raise ValueError("must be even")
        return legs


@prompt(retries=2)
def name_it(animal: str) -> Name:
    return ask(f"Name a {animal}.")


@prompt(retries=1, describe_format=False)
def invent(animal: str) -> Pet:
    return ask(f"Invent a {animal}.")


def contents(request: Request) -> list[str]:
    assert not isinstance(request.prompt, str)
    return [f"{message.role}: {message.content}" for message in request.prompt]


def scripted(*answers: str) -> ScriptedEngine:
    return ScriptedEngine(answers=answers)


def test_an_invalid_answer_is_told_what_is_wrong_and_asked_for_again() -> None:
    engine = scripted("Rex", "rex")
    with Runtime(engine):
        assert name_it("dog") == "rex"
    assert [contents(request) for request in engine.requests] == [
        ["user: Name a dog."],
        [
            "user: Name a dog.",
            "assistant: Rex",
            "user: That answer is not valid:\n- must be in lower case\nAnswer again, in the same form.",
        ],
    ]


def test_each_field_that_is_wrong_is_named() -> None:
    engine = scripted('{"name": "Rex", "legs": 3}', '{"name": "rex", "legs": 4}')
    with Runtime(engine):
        assert invent("dog") == Pet(name="rex", legs=4)
    assert contents(engine.requests[1])[1:] == [
        'assistant: {"name": "Rex", "legs": 3}',
        "user: That answer is not valid:\n- name: must be in lower case\n- legs: must be even\n"
        "Answer again, in the same form.",
    ]


def test_of_many_wrong_items_the_first_five_are_named() -> None:
    @prompt(retries=1)
    def names() -> list[Name]:
        return ask("Name eight.")

    bad = "[" + ", ".join(['"X"'] * 8) + "]"
    engine = scripted(bad, '["x"]')
    with Runtime(engine):
        assert names() == ["x"]
    told = contents(engine.requests[1])[3]
    assert told.count("must be in lower case") == 5
    assert "- 4: must be in lower case\n- and 3 more\n" in told


def test_earlier_attempts_stay_in_the_conversation_so_that_no_prompt_is_sent_twice() -> None:
    engine = scripted("A", "A", "a")
    with Runtime(engine):
        assert name_it("dog") == "a"
    prompts = [contents(request) for request in engine.requests]
    assert [len(each) for each in prompts] == [1, 3, 5]
    assert prompts[2][1:4:2] == ["assistant: A", "assistant: A"]


def test_a_row_that_stays_invalid_says_how_many_attempts_were_made() -> None:
    with Runtime(scripted("A", "B", "C", "d")), pytest.raises(Invalid) as caught:
        name_it("dog")
    assert caught.value.attempts == 3
    assert caught.value.text == "C"
    assert str(caught.value) == (
        "name_it: the answer, the last of 3, failed a check (return: validator lower): must be in lower case; the text was 'C'"
    ).replace("must", "Value error, must")


def test_without_retries_the_first_answer_is_the_last() -> None:
    with Runtime(engine := scripted("A", "a")), pytest.raises(Invalid) as caught:
        name_it.using(retries=0)("dog")
    assert caught.value.attempts == 1
    assert "the last of" not in str(caught.value)
    assert len(engine.requests) == 1


def answer_by_animal(request: Request) -> str:
    said = contents(request)
    return "Cat" if "cat" in said[0] and len(said) < 3 else "fine"


def test_only_the_invalid_row_goes_again_and_keeps_its_place() -> None:
    engine = ScriptedEngine(answers=answer_by_animal)
    with Runtime(engine) as runtime:
        assert name_it.map(["dog", "cat", "cow"]) == ["fine"] * 3
        assert runtime.stats.retried == 1
        assert runtime.stats.submitted == 4


def test_a_retry_of_one_row_waits_for_no_other() -> None:
    def answer(request: Request) -> str:
        said = contents(request)
        if "dog" in said[0]:
            return "x" * 200
        return "CAT" if len(said) < 2 else "cat"

    finished: list[str] = []

    def program(animal: str) -> str:
        name = name_it(animal)
        finished.append(animal)
        return name

    with Runtime(ScriptedEngine(answers=answer, step_seconds=0.002)):
        run(program, ["dog", "cat"])
    assert finished == ["cat", "dog"]


def test_errors_of_a_batch_say_how_often_each_row_was_tried() -> None:
    with Runtime(ScriptedEngine(answers=lambda request: "A")), pytest.raises(BatchError) as caught:
        name_it.map(["dog", "cat"])
    errors = [result.failure() for result in caught.value.results]
    assert [(error.row, error.attempts) for error in errors if isinstance(error, Invalid)] == [(0, 3), (1, 3)]


def test_a_seeded_call_takes_another_seed_for_each_retry_and_the_same_ones_when_it_is_repeated() -> None:
    def seeds(**options: Any) -> list[Any]:
        engine = scripted("A", "B", "c")
        with Runtime(engine):
            name_it.using(**options)("dog")
        return [request.sampling.get("seed") for request in engine.requests]

    first = seeds(seed=7)
    assert first[0] == 7
    assert len(set(first)) == 3
    assert all(0 <= seed < 2**63 for seed in first)
    assert seeds(seed=7) == first
    assert seeds(seed=8)[1] != first[1]
    assert seeds() == [None] * 3
    assert seeds(seed=-1) == [-1] * 3
    assert seeds(sampling_params=SimpleNamespace(seed=7)) == [None, *first[1:]]


def test_an_answer_that_was_begun_for_the_model_is_begun_again() -> None:
    @prompt(retries=1)
    def greet() -> Name:
        return ask(system("Be brief."), user("Greet."), assistant("Well, "))

    engine = scripted("HELLO", "hello")
    with Runtime(engine):
        assert greet() == "hello"
    assert contents(engine.requests[1]) == [
        "system: Be brief.",
        "user: Greet.",
        "assistant: Well, HELLO",
        "user: That answer is not valid:\n- must be in lower case\nAnswer again, in the same form.",
        "assistant: Well, ",
    ]


def test_a_retry_that_does_not_fit_leaves_the_invalid_answer_as_the_error() -> None:
    engine = ScriptedEngine(answers=lambda request: "A" * 60, max_model_len=160)
    with Runtime(engine), pytest.raises(Invalid) as caught:
        name_it("dog")
    assert caught.value.attempts == 1
    assert caught.value.text == "A" * 60
    assert "160" in str(caught.value.__cause__)


def test_a_call_keeps_its_time_limit_over_all_attempts() -> None:
    engine = ScriptedEngine(answers=["AAA", "A" * 1000], step_seconds=0.01)  # the second takes ten seconds
    with Runtime(engine), pytest.raises(TimedOut) as caught:
        name_it.using(timeout=1.5, retries=50)("dog")
    assert caught.value.timeout == 1.5
    assert len(engine.requests) == 2


def test_a_raw_prompt_can_take_no_further_turn() -> None:
    @prompt(retries=1)
    def complete(text: str) -> Name:
        return ask(raw(text))

    with Runtime(scripted()) as runtime:
        with pytest.raises(
            PromptUsageError, match=r"complete: retries=1 .* a raw\(\.\.\.\) prompt has no turns; leave"
        ):
            complete("x")
        with pytest.raises(PromptUsageError, match="generate: retries=2 "):
            runtime.generate(raw("x"), output_type=Name, retries=2)
        with pytest.raises(PromptUsageError, match="has no turns"):
            complete.map(["x"])


@pytest.mark.parametrize("retries", [-1, 1.5, "2", True, None])
def test_a_number_of_retries_that_is_none_is_refused_at_once(retries: Any) -> None:
    with pytest.raises(PromptUsageError, match="name_it: retries is a number of further attempts, not"):
        name_it.using(retries=retries)


def test_generate_retries_too() -> None:
    with Runtime(scripted("A", "b", "c")) as runtime:
        assert runtime.generate(["x", "y"], output_type=Name, retries=1) == ["c", "b"]


def test_safe_calls_give_the_value_of_the_retry_or_its_error() -> None:
    with Runtime(scripted("A", "a", "A", "B", "C")):
        assert name_it.safe("dog") == Success("a")
        error = name_it.safe("dog").failure()
        assert isinstance(error, Invalid)
        assert error.attempts == 3


# --- growing limits --------------------------------------------------------------------------------------------------


@prompt(retry_truncated=True, max_tokens=4)
def count_up(limit: int) -> list[int]:
    return ask(f"Count to {limit}.")


def limits(engine: ScriptedEngine) -> list[Any]:
    return [request.sampling.get("max_tokens") for request in engine.requests]


LONG = "[1, 2, 3, 4, 5]"


def test_a_cut_answer_is_asked_for_again_with_twice_the_limit_until_it_fits() -> None:
    engine = ScriptedEngine(answers=lambda request: LONG)
    with Runtime(engine) as runtime:
        assert count_up(5) == [1, 2, 3, 4, 5]
        assert runtime.stats.retried == 2
    assert limits(engine) == [4, 8, 16]
    assert len({request.prompt for request in engine.requests}) == 1


def test_a_limit_grows_no_further_than_the_room_that_is_left() -> None:
    engine = ScriptedEngine(answers=lambda request: "[" + "1, " * 500 + "1]", max_model_len=200)
    with Runtime(engine), pytest.raises(Truncated) as caught:
        count_up.using(describe_format=False)(5)
    room = caught.value.room
    assert room is not None
    assert limits(engine)[-1] == room == caught.value.max_tokens
    assert limits(engine)[:-1] == [4, 8, 16, 32, 64, 128][: len(limits(engine)) - 1]


def test_an_answer_that_had_all_the_room_is_not_asked_for_again() -> None:
    @prompt(retry_truncated=True)
    def count(limit: int) -> list[int]:
        return ask(f"Count to {limit}.")

    engine = ScriptedEngine(answers=lambda request: "[" + "1, " * 500 + "1]", max_model_len=200)
    with Runtime(engine), pytest.raises(Truncated):
        count(5)
    assert len(engine.requests) == 1


def test_without_grow_a_cut_answer_is_truncated() -> None:
    engine = ScriptedEngine(answers=lambda request: LONG)
    with Runtime(engine), pytest.raises(Truncated):
        count_up.using(retry_truncated=False, retries=3)(5)
    assert len(engine.requests) == 1


def test_plain_text_grows_where_a_cut_is_an_error_and_stays_a_value_where_it_is_one() -> None:
    @prompt(retry_truncated=True, max_tokens=4)
    def tell() -> str:
        return ask("Tell.")

    with Runtime(ScriptedEngine(answers=lambda request: "a long tale")) as runtime:
        assert tell() == "a lo"
        assert runtime.stats.retried == 0
        assert tell.using(truncation="error")() == "a long tale"


def test_a_seeded_call_grows_with_its_own_seed() -> None:
    engine = ScriptedEngine(answers=lambda request: LONG)
    with Runtime(engine):
        count_up.using(seed=3)(5)
    assert [request.sampling["seed"] for request in engine.requests] == [3] * 3


def test_an_answer_may_grow_and_then_be_mended() -> None:
    @prompt(retry_truncated=True, retries=1, max_tokens=2)
    def names() -> list[Name]:
        return ask("Names?")

    engine = scripted('["X"]', '["X"]', '["X"]', '["x"]')
    with Runtime(engine):
        assert names() == ["x"]
    assert limits(engine) == [2, 4, 8, 8]
    assert [request.attempt for request in engine.requests] == [1, 2, 3, 4]


def test_grow_is_true_or_false() -> None:
    with pytest.raises(PromptUsageError, match="count_up: retry_truncated is True or False, not 2"):
        count_up.using(retry_truncated=2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
