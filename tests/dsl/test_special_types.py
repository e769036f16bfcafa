"""`Logged`, `Reasoned` and `Scored`: what they add to a value, how they are asked for, and where they may stand."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel
from typing_extensions import TypeAliasType

from typefold import (
    Decisions,
    FinishReason,
    Invalid,
    Logged,
    Message,
    PromptUsageError,
    Reasoned,
    Runtime,
    Scored,
    TimedOut,
    UnsupportedType,
    ask,
    assistant,
    example,
    output_type,
    prompt,
    raw,
    run,
    system,
    user,
)
from typefold.runtime import Request, Thinking
from typefold.runtime.engines.scripted import ScriptedEngine


def lower(text: str) -> str:
    if text != text.lower():
        raise ValueError("must be in lower case")
    return text


Name = Annotated[str, AfterValidator(lower)]


class Pet(BaseModel):
    name: str
    legs: int


def contents(request: Request) -> list[str]:
    assert not isinstance(request.prompt, str)
    return [f"{message.role}: {message.content}" for message in request.prompt]


# --- Logged ----------------------------------------------------------------------------------------------------------


@prompt
def invent(animal: str) -> Logged[Pet]:
    return ask(f"Invent a {animal}.")


@prompt
def name_it(animal: str) -> Logged[Name]:
    return ask(f"Name a {animal}.")


PET = '{"name": "Rex", "legs": 4}'


def test_a_logged_value_has_its_text_its_tokens_and_its_counts() -> None:
    engine = ScriptedEngine(answers=[PET])
    with Runtime(engine):
        answer = invent("dog")
    assert answer.value == Pet(name="Rex", legs=4)
    assert answer.text == PET
    assert answer.finish_reason is FinishReason.STOP
    assert answer.token_ids == (*PET.encode(), 256)
    assert answer.prompt_tokens == len(engine.tokenize(engine.requests[0]))
    assert (answer.cached_tokens, answer.attempts, answer.logprobs) == (0, 1, None)


def test_the_constraint_and_the_messages_are_those_of_the_type_inside() -> None:
    @prompt
    def plain(animal: str) -> Pet:
        return ask(f"Invent a {animal}.")

    assert invent.render("dog") == plain.render("dog")
    engine = ScriptedEngine(answers=[PET, PET])
    with Runtime(engine):
        assert invent("dog").value == plain("dog")
    assert engine.requests[0].constraint is engine.requests[1].constraint or (
        engine.requests[0].constraint.spec == engine.requests[1].constraint.spec
    )


def test_log_probabilities_are_there_where_they_are_asked_for() -> None:
    with Runtime(ScriptedEngine(answers=["keep"])) as runtime:
        answer = runtime.generate("?", output_type=Logged[Literal["keep", "drop"]], logprobs=2)
    assert answer.logprobs is not None
    assert [[token.text for token in row] for row in answer.logprobs] == [["k", "d"], ["e"], ["e"], ["p"], [""]]
    assert [round(math.exp(token.logprob), 3) for token in answer.logprobs[0]] == [0.9, 0.1]


def test_plain_text_that_was_cut_says_so() -> None:
    with Runtime(ScriptedEngine(answers=["a long tale"])) as runtime:
        answer = runtime.generate("Tell.", output_type=Logged[str], max_tokens=6)
    assert (answer.value, answer.finish_reason) == ("a long", FinishReason.LENGTH)


def test_a_logged_value_says_how_many_attempts_it_took() -> None:
    with Runtime(ScriptedEngine(answers=["A", "B", "c"])):
        answer = name_it.using(retries=2)("dog")
    assert (answer.value, answer.text, answer.attempts) == ("c", "c", 3)


def test_a_logged_batch_keeps_its_order_and_its_errors() -> None:
    with Runtime(ScriptedEngine(answers=["a", "B", "c"])):
        first, second, third = name_it.safe.map(["ant", "bee", "cow"])
    assert (first.unwrap().value, third.unwrap().value) == ("a", "c")
    assert isinstance(second.failure(), Invalid)


def test_examples_are_values_of_the_type_inside() -> None:
    @prompt(examples=[example(Pet(name="Tom", legs=4), animal="cat")])
    def shown(animal: str) -> Logged[Pet]:
        return ask(f"Invent a {animal}.")

    assert Message("assistant", '{"name": "Tom", "legs": 4}') in list(shown.render("dog"))


# --- Reasoned --------------------------------------------------------------------------------------------------------


@prompt
def add(first: int, second: int) -> Reasoned[int]:
    return ask(system("You can count."), user(f"{first} + {second}?"))


THINK = "\n\nFirst think it through, step by step. Do not give the answer yet."
SHAPE = "Answer with an integer."


def test_a_model_without_a_way_of_thinking_is_asked_to_think_and_then_to_answer() -> None:
    engine = ScriptedEngine(answers=[" Two and two. ", "4"])
    with Runtime(engine):
        assert add(2, 2) == Reasoned(value=4, reasoning="Two and two.")
    thoughts, answer = engine.requests
    assert (thoughts.constraint.kind, answer.constraint.kind) == ("text", "grammar")
    first = contents(thoughts)
    assert first[0] == f"system: You can count.\n\n{SHAPE}"
    assert first[1] == f"user: 2 + 2?{THINK}"
    assert contents(answer) == [
        *first,
        "assistant:  Two and two. ",
        "user: Now give the answer, in the form that was asked for and nothing else.",
    ]
    assert thoughts.sampling["max_tokens"] == 512
    assert not thoughts.thinking


def test_limits_and_parameters_of_the_answer_are_not_those_of_the_thoughts() -> None:
    engine = ScriptedEngine(answers=["x" * 100, "4"])
    with Runtime(engine):
        done = add.using(max_reasoning_tokens=10, max_tokens=30, temperature=0.3, min_tokens=1, truncation="error")(
            2, 2
        )
    assert done == Reasoned(value=4, reasoning="x" * 10)
    thoughts, answer = (request.sampling for request in engine.requests)
    assert (thoughts["max_tokens"], thoughts["min_tokens"], thoughts["temperature"]) == (10, 0, 0.3)
    assert (answer["max_tokens"], answer["min_tokens"], answer["temperature"]) == (30, 1, 0.3)


MARKS = Thinking(opening=tuple(b"<think>\n"), end=257, closing=tuple(b"</think>\n\n"))


def test_a_model_with_a_way_of_thinking_goes_on_behind_its_thoughts() -> None:
    engine = ScriptedEngine(answers=["Two and two.", "4"], thinking=MARKS)
    with Runtime(engine):
        assert add(2, 2) == Reasoned(value=4, reasoning="Two and two.")
    thoughts, answer = engine.requests
    assert thoughts.prompt == answer.prompt == add.render(2, 2)
    assert thoughts.thinking and answer.thinking
    assert begun(thoughts) == b"<think>\n"
    assert thoughts.sampling["stop_token_ids"] == [257]
    assert begun(answer) == b"<think>\nTwo and two.</think>\n\n"
    assert engine.tokenize(answer)[: len(engine.tokenize(thoughts))] == engine.tokenize(thoughts)


def test_thoughts_that_met_their_limit_are_closed_where_they_are() -> None:
    engine = ScriptedEngine(answers=["Two and two.", "4"], thinking=MARKS)
    with Runtime(engine):
        assert add.using(max_reasoning_tokens=3)(2, 2).reasoning == "Two"
    assert begun(engine.requests[1]) == b"<think>\nTwo</think>\n\n"


def test_other_types_are_asked_without_thinking() -> None:
    engine = ScriptedEngine(answers=["4"], thinking=MARKS)
    with Runtime(engine) as runtime:
        runtime.generate("2 + 2?", output_type=int)
    assert not engine.requests[0].thinking
    assert engine.requests[0].begun == ()


def test_a_retry_thinks_again_about_what_was_wrong() -> None:
    @prompt(retries=1)
    def name(animal: str) -> Reasoned[Name]:
        return ask(f"Name a {animal}.")

    engine = ScriptedEngine(answers=["Hm.", "REX", "Oh.", "rex"])
    with Runtime(engine) as runtime:
        assert name("dog") == Reasoned(value="rex", reasoning="Oh.")
        assert runtime.stats.retried == 2
    assert contents(engine.requests[2]) == [
        "user: Name a dog.",
        "assistant: REX",
        "user: That answer is not valid:\n- must be in lower case\nAnswer again, in the same form." + THINK,
    ]


def test_rows_that_think_wait_for_no_other() -> None:
    def answer(request: Request) -> str:
        text = contents(request)[1]
        if request.constraint.kind == "text":
            return "long " * 60 if "dog" in text else "short"
        return '"x"'

    finished: list[str] = []

    @prompt
    def name(animal: str) -> Reasoned[str | None]:
        return ask(f"Name a {animal}.")

    def program(animal: str) -> None:
        name(animal)
        finished.append(animal)

    with Runtime(ScriptedEngine(answers=answer, step_seconds=0.002)):
        run(program, ["dog", "cat"])
    assert finished == ["cat", "dog"]


def test_a_call_that_thinks_keeps_its_time_limit() -> None:
    engine = ScriptedEngine(answers=["xxx", "4" * 1000], step_seconds=0.01)  # the second takes ten seconds
    with Runtime(engine), pytest.raises(TimedOut) as caught:
        add.using(timeout=1.5)(2, 2)
    assert caught.value.timeout == 1.5
    assert len(engine.requests) == 2


def test_a_reasoned_prompt_needs_turns_and_an_answer_that_is_not_begun() -> None:
    @prompt
    def complete(text: str) -> Reasoned[int]:
        return ask(raw(text))

    @prompt
    def begun(text: str) -> Reasoned[int]:
        return ask(text, assistant("It is "))

    with Runtime(ScriptedEngine()):
        with pytest.raises(
            PromptUsageError, match=r"complete: Reasoned asks twice, and a raw\(...\) prompt has no turns"
        ):
            complete("x")
        with pytest.raises(PromptUsageError, match="begun: Reasoned thinks before it answers"):
            begun("x")


@pytest.mark.parametrize("most", [-1, 2.5, True, None])
def test_a_limit_for_thoughts_is_a_number_of_tokens(most: Any) -> None:
    with pytest.raises(PromptUsageError, match="add: max_reasoning_tokens is a number of tokens, not"):
        add.using(max_reasoning_tokens=most)


# --- where they may stand --------------------------------------------------------------------------------------------


def begun(request: Request) -> bytes:
    return bytes(each for each in request.begun if isinstance(each, int))


class Holder(BaseModel):
    inner: Logged[int]


@dataclass
class Record:
    decided: Decisions[Holder]


@pytest.mark.parametrize(
    ("hint", "path"),
    [
        (list[Logged[int]], "return[]"),
        (Logged[int] | None, "return"),
        (dict[str, Reasoned[int]], "return[...]"),
        (Holder, "return.inner"),
        (Record, "return.decided"),
        (Logged[Reasoned[int]], "return.value"),
        (Logged[list[Decisions[Holder]]], "return.value[]"),
        (Logged, "return"),
        (Annotated[Logged[int], "x"], "return"),
    ],
)
def test_inside_of_another_type_they_are_refused_with_the_path(hint: Any, path: str) -> None:
    def ask_for() -> None: ...

    ask_for.__annotations__["return"] = hint
    with pytest.raises(UnsupportedType, match="says how an answer is given, not what it is; it goes around") as caught:
        prompt(ask_for)
    assert caught.value.path.startswith(path)


def test_they_are_no_output_types_by_themselves() -> None:
    with pytest.raises(UnsupportedType, match="it goes around the whole return type of a prompt"):
        output_type(Logged[int])


def test_an_error_of_the_type_inside_names_its_place() -> None:
    with pytest.raises(UnsupportedType) as caught:

        @prompt
        def make() -> Logged[list[complex]]:
            return ask("x")

    assert caught.value.path.startswith("return.value[")


Answer = TypeAliasType("Answer", Logged[int])


def test_an_alias_stands_for_what_it_names() -> None:
    with Runtime(ScriptedEngine(answers=["4"])) as runtime:
        assert runtime.generate("2 + 2?", output_type=Answer).value == 4


def test_values_survive_pickle() -> None:
    with Runtime(ScriptedEngine(answers=["4", "Hm.", "4", "true"])) as runtime:
        values = [
            runtime.generate("?", output_type=Logged[int], logprobs=1),
            runtime.generate("?", output_type=Reasoned[int]),
            runtime.generate("?", output_type=Scored[bool]),
        ]
    assert pickle.loads(pickle.dumps(values)) == values


def test_a_batch_may_mix_them_all() -> None:
    kinds: list[Any] = [int, Logged[int], Scored[bool], Reasoned[int], str]

    def answer(request: Request) -> str:
        return "true" if request.probe else "hm" if request.constraint.kind == "text" else "7"

    with Runtime(ScriptedEngine(answers=answer)) as runtime:
        with pytest.raises(PromptUsageError, match="temperature has no place with Scored"):
            runtime.generate("?", output_type=Scored[bool], temperature=0.5)
        runtime.generate(["?"] * 5, output_type=kinds, temperature=0.5)  # it is for the others
        plain, logged, scored, reasoned, text = runtime.generate(["?"] * 5, output_type=kinds)
    assert (plain, text) == (7, "hm")
    assert getattr(logged, "value", None) == 7
    assert getattr(scored, "value", None) is True
    assert reasoned == Reasoned(value=7, reasoning="hm")
