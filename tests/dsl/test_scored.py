"""`Scored`: the probability of each choice, by the engine's steps that it takes, and what can not be scored."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field

from typefold import (
    OneOf,
    PromptTooLong,
    PromptUsageError,
    Refused,
    Runtime,
    Scored,
    UnsupportedType,
    ask,
    prompt,
)
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


def lower(text: str) -> str:
    if text != text.lower():
        raise ValueError("must be in lower case")
    return text


Name = Annotated[str, AfterValidator(lower)]


class Mood(Enum):
    GRIM = "grim"
    GREAT = "great"
    PLAIN = "plain"


class Rating(IntEnum):
    BAD = 1
    GOOD = 2


def says(text: str) -> ScriptedEngine:
    return ScriptedEngine(answers=lambda request: text)


def rounded(scored: Scored[Any]) -> dict[Any, float]:
    return {choice: round(probability, 4) for choice, probability in scored.probabilities.items()}


def test_choices_that_begin_differently_are_scored_in_one_step() -> None:
    engine = says("drop")
    with Runtime(engine) as runtime:
        answer = runtime.generate("Keep?", output_type=Scored[Literal["keep", "drop", "ask"]])
        assert runtime.stats.steps == 1
    assert answer.value == "drop"
    assert answer.probability == answer.probabilities["drop"]
    assert rounded(answer) == {"keep": 0.05, "drop": 0.9, "ask": 0.05}
    [request] = engine.requests
    assert request.probe
    assert (request.sampling["max_tokens"], request.sampling["temperature"]) == (1, 0.0)


def test_choices_that_begin_alike_are_followed_until_they_part() -> None:
    engine = says("great")
    with Runtime(engine) as runtime:
        answer = runtime.generate("Mood?", output_type=Scored[Mood])
    assert answer.value is Mood.GREAT
    # g: 0.9; then r: certain; then e: 0.9 of it
    assert rounded(answer) == {Mood.GRIM: 0.09, Mood.GREAT: 0.81, Mood.PLAIN: 0.1}
    assert [bytes(each for each in request.begun if isinstance(each, int)) for request in engine.requests] == [
        b"",
        b"g",
        b"gr",
    ]
    assert engine.requests[2].constraint.spec == ("im", "eat")


def test_a_choice_that_begins_another_ends_where_it_ends() -> None:
    with Runtime(says("no")) as runtime:
        answer = runtime.generate("Sure?", output_type=Scored[Literal["no", "none", "not sure"]])
    assert answer.value == "no"
    assert rounded(answer) == {"no": 0.9, "none": 0.05, "not sure": 0.05}


def test_choices_may_part_inside_a_character() -> None:
    engine = says("👎")
    with Runtime(engine) as runtime:
        answer = runtime.generate("Good?", output_type=Scored[Literal["👍", "👎", "да", "нет"]])
    assert answer.value == "👎"
    assert round(sum(answer.probabilities.values()), 9) == 1
    assert rounded(answer)["👎"] == 0.81  # the first byte, and the last
    assert [request.sampling["max_tokens"] for request in engine.requests][:4] == [1, 2, 3, 4]
    assert all(request.begun == () for request in engine.requests)


def test_json_choices_are_scored_by_their_values() -> None:
    with Runtime(says("true")) as runtime:
        assert rounded(runtime.generate("?", output_type=Scored[bool])) == {True: 0.9, False: 0.1}
    with Runtime(says("2")) as runtime:
        assert runtime.generate("?", output_type=Scored[Rating]).value is Rating.GOOD
        stars = runtime.generate("?", output_type=Scored[Annotated[int, Field(ge=1, le=5)]])
        assert list(stars.probabilities) == [1, 2, 3, 4, 5]
        assert stars.value == 2
    with Runtime(says("null")) as runtime:
        assert runtime.generate("?", output_type=Scored[Literal["a"] | None]).value is None


def test_a_list_made_at_run_time_can_be_scored() -> None:
    with Runtime(says("Oslo")) as runtime:
        assert runtime.generate("?", output_type=Scored[Annotated[str, OneOf(["Rome", "Oslo"])]]).value == "Oslo"


def test_a_single_choice_is_certain_and_asks_nothing() -> None:
    engine = says("a")
    with Runtime(engine) as runtime:
        answer = runtime.generate("?", output_type=Scored[Literal["a"]])
    assert answer == Scored(value="a", probabilities={"a": 1.0})


Letter = Literal["a", "b", "c", "d", "e", "f", "g", "h"]


class Stingy(ScriptedEngine):
    """An engine that gives three log probabilities at most."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.info = replace(self.info, max_logprobs=3)


def test_where_a_step_tells_too_little_the_choices_are_scored_in_groups() -> None:
    with Runtime(says("c")) as runtime:
        expected = runtime.generate("?", output_type=Scored[Letter])

    def answer_of(request: Request) -> str:
        return "c" if "c" in request.constraint.spec else request.constraint.spec[0]

    engine = Stingy(answers=answer_of)
    with Runtime(engine) as runtime:
        answer = runtime.generate("?", output_type=Scored[Letter])
    assert len(engine.requests) > 1
    assert all(request.sampling["logprobs"] <= 3 for request in engine.requests)
    assert answer.value == "c"
    assert round(sum(answer.probabilities.values()), 9) == 1
    assert set(answer.probabilities) == set(expected.probabilities)
    assert all(probability > 0 for probability in answer.probabilities.values())


def test_many_rows_are_scored_as_one_batch() -> None:
    @prompt
    def judge(text: str) -> Scored[Literal["keep", "drop"]]:
        return ask(f"Keep or drop? {text}")

    with Runtime(says("keep")) as runtime:
        assert [each.value for each in judge.map(map(str, range(50)))] == ["keep"] * 50
        assert runtime.stats.steps == 1


def test_an_answer_of_the_script_that_is_no_choice_is_refused() -> None:
    with Runtime(says("maybe")) as runtime, pytest.raises(Refused, match="'maybe', which is none of the choices"):
        runtime.generate("?", output_type=Scored[Literal["keep", "drop"]])


def test_a_prompt_that_fills_the_context_can_not_be_scored() -> None:
    with Runtime(ScriptedEngine(max_model_len=50)) as runtime, pytest.raises(PromptTooLong):
        runtime.generate("x" * 60, output_type=Scored[bool])


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        (str, "str has more than 1,000 answers; Scored is for a Literal, an Enum, bool and other types of few"),
        (int, "int has more than 1,000 answers"),
        (Annotated[int, Field(ge=1, le=5000)], "has more than 1,000 answers"),
        (Literal[1, True], "has the choices 1 and True, which Python calls equal"),
        (list[Literal["a"]], "has more than 1,000 answers"),
        (tuple[bool, list[Literal[1]]], "has more than 1,000 answers"),
        (Annotated[bool, AfterValidator(lambda value: [value])], "has values that can't be keys of a dict"),
        (Annotated[Literal["a", "B"], AfterValidator(lower)], "admits 'B', which fails a check"),
    ],
)
def test_what_can_not_be_scored_is_refused_with_the_reason(hint: Any, reason: str) -> None:
    of: Any = Scored
    scored: Any = of[hint]
    with Runtime(ScriptedEngine()) as runtime, pytest.raises(UnsupportedType) as caught:
        runtime.generate("?", output_type=scored)
    assert reason in str(caught.value)
    assert caught.value.path == "output_type.value"


def test_scored_is_checked_when_the_function_is_decorated() -> None:
    with pytest.raises(UnsupportedType, match=r"judge: return\.value: str has more than 1,000 answers"):

        @prompt
        def judge(text: str) -> Scored[str]:
            return ask(text)


@pytest.mark.parametrize(
    "option", [{"temperature": 0.5}, {"seed": 1}, {"max_tokens": 3}, {"sampling_params": object()}]
)
def test_sampling_parameters_have_no_place_with_scored(option: dict[str, Any]) -> None:
    @prompt
    def judge(text: str) -> Scored[bool]:
        return ask(text)

    [name] = option
    with pytest.raises(PromptUsageError, match=rf"judge: {name} has no place with Scored, which samples nothing"):
        judge.using(**option)
