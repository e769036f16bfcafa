"""Models whose chat template begins every answer inside a thought, and models that are switched: calls of every kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, Field

from typefold import Journal, Logged, Reasoned, Runtime, Scored, TimedOut, ask, assistant, prompt, raw, run
from typefold.execution.call import ReasoningSource
from typefold.runtime import Request, Thinking
from typefold.runtime.engines.scripted import Cut, ScriptedEngine
from typefold.testing import FakeEngine, Text

END = 256  # the token with which a scripted text ends, and so does a thought here
ALWAYS = Thinking(
    opening=(), end=END, closing=(END, *b"\n"), answer=tuple(b"\n"), always=True, marks=("<think>", "</think>")
)
SWITCHED = Thinking(
    opening=tuple(b"<t>"), end=END, closing=(END, *b"!"), marks=("<t>", "</t>"), switches=(("enable_thinking", True, False),)
)  # fmt: skip
SPELLED = Thinking(
    opening=(), end=None, closing=tuple(b"</think>\n"), answer=tuple(b"\n"), always=True, marks=("<think>", "</think>")
)
Label = Literal["keep", "drop"]


@prompt
def judge(text: str) -> Label:
    return ask(f"Keep or drop? {text}")


@prompt
def tell(text: str) -> str:
    return ask(text)


def begun(request: Request) -> str:
    return "".join("<END>" if each == END else each if isinstance(each, str) else chr(each) for each in request.begun)


def scripted(*answers: Any, thinking: Thinking = ALWAYS, **options: Any) -> ScriptedEngine:
    return ScriptedEngine(answers=answers, thinking=thinking, **options)


def by_part(answer: Callable[[Request], Any], thought: str = "Hm, hm.") -> Callable[[Request], Any]:
    return lambda request: thought if isinstance(request.source, ReasoningSource) else answer(request)


def test_a_plain_answer_comes_behind_the_thought() -> None:
    engine = scripted("It is good.", "keep")
    with Runtime(engine) as runtime:
        assert judge("a poem") == "keep"
        assert runtime.stats.tokens_saved == 4  # one letter tells
    thought, answer = engine.requests
    assert thought.thinking and answer.thinking
    assert (thought.constraint.kind, thought.sampling["max_tokens"], begun(thought)) == ("text", 512, "")
    assert thought.sampling["stop_token_ids"] == [END]
    assert thought.prompt == answer.prompt == judge.render("a poem")
    assert (answer.constraint.kind, begun(answer)) == ("choice", "It is good.<END>\n")


def test_a_text_has_no_thought_in_it() -> None:
    with Runtime(scripted("The user greets me.", "Hello!")):
        assert tell("Hi!") == "Hello!"


def test_a_thought_that_meets_its_limit_is_closed() -> None:
    engine = scripted("x" * 100, "keep")
    with Runtime(engine) as runtime:
        assert judge.using(max_reasoning_tokens=7)("a poem") == "keep"
        assert runtime.stats.truncated == 0
    assert begun(engine.requests[1]) == "xxxxxxx<END>\n"


def test_without_room_for_a_thought_it_is_closed_at_once() -> None:
    engine = scripted("keep", "Hello!")
    with Runtime(engine):
        assert judge.using(max_reasoning_tokens=0)("a poem") == "keep"
        assert tell.using(max_reasoning_tokens=0)("Hi!") == "Hello!"
    assert [(request.thinking, request.begun) for request in engine.requests] == [(False, ()), (False, ())]


def as_it_stands() -> str:
    return ask(raw("It is"))


def begun_by_words() -> str:
    return ask("What is it?", assistant("It is"))


@pytest.mark.parametrize("body", [as_it_stands, begun_by_words])
def test_an_answer_that_is_begun_does_not_think(body: Callable[[], str]) -> None:
    @prompt
    def go_on() -> str:
        return body()

    engine = scripted(" well.")
    with Runtime(engine):
        assert go_on() == " well."
    assert [request.thinking for request in engine.requests] == [False]


def test_marks_that_are_ordinary_text_end_the_thought_as_a_text() -> None:
    engine = scripted("Hm.</think>", "keep", "Hm.", "drop", Cut("Hm"), "keep", thinking=SPELLED)
    with Runtime(engine):
        assert [judge("a"), judge("b"), judge("c")] == ["keep", "drop", "keep"]
    thoughts, answers = engine.requests[::2], engine.requests[1::2]
    assert [each.sampling["stop"] for each in thoughts] == [["</think>"]] * 3
    assert all(each.sampling["include_stop_str_in_output"] for each in thoughts)
    # The mark is there; the text ended without it; the limit was met.
    assert [begun(each) for each in answers] == ["Hm.</think><END>\n", "Hm.</think>\n", "Hm</think>\n"]


def test_a_reasoned_answer_has_its_reasoning_without_the_mark() -> None:
    with Runtime(scripted("Hm.</think>", "keep", thinking=SPELLED)) as runtime:
        done: Any = runtime.generate("?", output_type=Reasoned[Label])
    assert (done.value, done.reasoning, done.way) == ("keep", "Hm.", "marks")


# --- switches --------------------------------------------------------------------------------------------------------


def test_a_plain_answer_of_a_model_with_a_switch_thinks_where_its_template_is_told_to() -> None:
    engine = scripted("keep", "Hm.", "keep", "keep", thinking=SWITCHED)
    on, off = {"enable_thinking": True}, {"enable_thinking": False}
    with Runtime(engine):
        for variables in ({}, on, off):
            assert judge.using(chat_template_kwargs=variables)("a poem") == "keep"
    assert [(each.thinking, begun(each)) for each in engine.requests] == [
        (False, ""),
        (True, "<t>"),
        (True, "<t>Hm.<END>!"),
        (False, ""),
    ]


def test_reasoning_that_is_switched_off_is_asked_for_in_words() -> None:
    engine = scripted("Hm.", "keep", thinking=SWITCHED)
    with Runtime(engine) as runtime:
        off = {"enable_thinking": False}
        done: Any = runtime.generate("?", output_type=Reasoned[Label], chat_template_kwargs=off)
    assert (done.reasoning, done.way) == ("Hm.", "words")
    assert [each.thinking for each in engine.requests] == [False, False]


@pytest.mark.parametrize("thinking", [None, ALWAYS, SWITCHED])
def test_a_reasoned_answer_may_be_asked_for_without_reasoning(thinking: Thinking | None) -> None:
    engine = ScriptedEngine(answers=["keep"], thinking=thinking)
    with Runtime(engine) as runtime:
        done: Any = runtime.generate("?", output_type=Reasoned[Label], max_reasoning_tokens=0)
    assert (done, done.way) == (Reasoned(value="keep", reasoning=""), "none")


# --- the other forms -------------------------------------------------------------------------------------------------


def test_the_facts_of_a_logged_answer_are_the_answers_own() -> None:
    with Runtime(scripted("Hm, hm.", "keep")) as runtime:
        logged: Any = runtime.generate("?", output_type=Logged[Label], logprobs=1)
        assert (logged.value, logged.text, bytes(logged.token_ids[:-1])) == ("keep", "keep", b"keep")
        assert logged.prompt_tokens == len(b"<system>\nAnswer keep or drop.\n<user>\n?\n<assistant>\n")
        assert len(logged.logprobs) == len(logged.token_ids)
        assert runtime.stats.output_tokens == len(b"Hm, hm.") + 1 + len(b"keep") + 1


def test_probabilities_are_those_behind_the_thought() -> None:
    engine = ScriptedEngine(answers=by_part(lambda request: "drop"), thinking=ALWAYS)
    with Runtime(engine) as runtime:
        scored: Any = runtime.generate("?", output_type=Scored[Label])
    assert scored.value == "drop" and scored.probability == pytest.approx(0.9)
    thought, *steps = engine.requests
    assert thought.sampling["temperature"] == 0  # equal calls get equal probabilities
    assert steps and all(each.probe and begun(each).startswith("Hm, hm.<END>\n") for each in steps)


def test_a_retry_thinks_again_and_its_turns_hold_answers_alone() -> None:
    def lower(name: str) -> str:
        if not name.islower():
            raise ValueError("must be in lower case")
        return name

    @prompt(retries=1)
    def name(animal: str) -> Annotated[str, AfterValidator(lower)]:
        return ask(f"Name a {animal}.")

    engine = scripted("Loud.", "REX", "Soft.", "rex")
    with Runtime(engine) as runtime:
        assert name("dog") == "rex"
        assert runtime.stats.retried == 2
    asked = [message.content for message in engine.requests[3].prompt if not isinstance(message, str)]
    assert asked[1] == "REX" and "lower case" in asked[2]
    assert begun(engine.requests[3]) == "Soft.<END>\n"


def test_a_cut_answer_is_asked_for_again_behind_a_thought() -> None:
    engine = ScriptedEngine(answers=by_part(lambda request: '["a", "b"]'), thinking=ALWAYS)

    @prompt(max_tokens=5, retry_truncated=True)
    def letters() -> list[Label | Literal["a", "b"]]:
        return ask("Which?")

    with Runtime(engine):
        assert letters() == ["a", "b"]


def test_a_stream_shows_no_thought() -> None:
    engine = scripted("Hm, [1, 2].", "Hello!", "Hm, [1, 2].", "[7, 8]")

    @prompt
    def numbers() -> list[int]:
        return ask("Which?")

    with Runtime(engine):
        with tell.stream("Hi!") as stream:
            assert "".join(stream) == "Hello!"
            assert (stream.result(), stream.text, stream.part) == ("Hello!", "Hello!", 1)
        with numbers.stream() as counted:
            partials = list(counted.partials())
        assert partials[-1] == [7, 8] and [1, 2] not in partials


def test_a_reasoned_text_has_no_partial_values_of_its_reasoning() -> None:
    with Runtime(scripted("Hm.", "Hello!")):

        @prompt
        def greet() -> Reasoned[str]:
            return ask("Hi!")

        with greet.stream() as stream:
            partials = list(stream.partials())
        assert "Hm." not in partials and partials[-1] == "Hello!"


def test_a_call_that_runs_out_of_time_in_its_thought_has_no_text() -> None:
    engine = scripted("x" * 5000, "keep", step_seconds=0.002)
    with Runtime(engine), pytest.raises(TimedOut) as caught:
        judge.using(timeout=0.5, max_reasoning_tokens=5000)("a poem")
    assert caught.value.text == ""


def test_batches_samples_and_rows_think_each_for_itself() -> None:
    engine = ScriptedEngine(answers=by_part(lambda request: "keep"), thinking=ALWAYS)
    with Runtime(engine) as runtime:
        assert judge.map(["a", "b", "c"]) == ["keep"] * 3
        assert list(judge.sample(2)("d")) == ["keep"] * 2
        assert run(judge, ["e"]) == ["keep"]
        assert runtime.stats.failed == 0
    assert len(engine.requests) == 12


def test_equal_greedy_calls_share_their_thought_and_their_answer() -> None:
    engine = ScriptedEngine(answers=by_part(lambda request: "keep"), thinking=ALWAYS)
    with Runtime(engine):
        assert judge.using(temperature=0).map(["a", "a", "a"]) == ["keep"] * 3
    assert len(engine.requests) == 2


def test_the_room_of_the_context_is_shared_with_the_answer() -> None:
    numbers = Annotated[list[Annotated[int, Field(ge=0, le=9)]], Field(min_length=8, max_length=8)]
    engine = ScriptedEngine(
        answers=by_part(lambda request: "[1, 2, 3, 4, 5, 6, 7, 8]", "x" * 1000), thinking=ALWAYS, max_model_len=220
    )
    with Runtime(engine) as runtime:
        assert runtime.generate("?", output_type=numbers) == [1, 2, 3, 4, 5, 6, 7, 8]
        assert len(runtime.generate("?", output_type=str)) > 0
    thought, answer, *_ = engine.requests
    room = 220 - len(engine.tokenize(thought))
    assert len(answer.begun) == room - 25 - 16 + len(ALWAYS.closing)  # 24 bytes and the end, and what marks may take


def test_a_journal_answers_a_program_that_runs_again(tmp_path: Path) -> None:
    engines: list[ScriptedEngine] = []
    for _ in range(2):
        engines.append(ScriptedEngine(answers=by_part(lambda request: "keep"), thinking=ALWAYS, model="m"))
        with Journal(tmp_path / "kept.journal") as journal, Runtime(engines[-1], journal=journal):
            assert judge.map(["a", "b"]) == ["keep", "keep"]
            assert judge("c") == "keep"
    assert [len(engine.requests) for engine in engines] == [6, 0]


def test_a_scripted_program_answers_what_is_behind_the_thought() -> None:
    with FakeEngine(thinking=ALWAYS) as fake:
        fake.answer(judge, "drop", Text("neither"))
        assert judge("a poem") == "drop"
        assert not isinstance(judge.safe("b"), str)
        [first, second] = fake.prompts_of(judge)
        assert len(first.requests) == len(second.requests) == 2
    with FakeEngine(thinking=ALWAYS) as fake:
        fake.answer(judge, TimedOut(function="judge", row=None, prompt="", timeout=1.0, text="ke"))
        with pytest.raises(TimedOut) as caught:
            judge("a poem")
        assert caught.value.text == "ke"


# --- what is said of it ----------------------------------------------------------------------------------------------


def said_by(kind: Any, thinking: Thinking | None, **options: Any) -> str:
    ask_it = prompt(**options)(_typed(kind))
    with Runtime(ScriptedEngine(thinking=thinking)) as runtime:
        _ = runtime.engine  # which is loaded now
        return str(ask_it.explain().reasoning)


def _typed(kind: Any) -> Callable[[], Any]:
    def ask_it() -> str:
        return ask("?")

    ask_it.__annotations__["return"] = kind
    return ask_it


@pytest.mark.parametrize(
    ("kind", "thinking", "options", "said"),
    [
        (int, None, {}, ""),
        (int, ALWAYS, {}, "at most 512 tokens between <think> and </think>, opened by the chat template"),
        (int, ALWAYS, {"max_reasoning_tokens": 0}, "none"),
        (int, SWITCHED, {}, "none"),
        (int, SWITCHED, {"chat_template_kwargs": {"enable_thinking": True}}, "at most 512 tokens between <t> and </t>, as switched on"),
        (Reasoned[int], SWITCHED, {"max_reasoning_tokens": 9}, "at most 9 tokens between <t> and </t>, as switched on"),
        (Reasoned[int], replace(SWITCHED, switches=()), {}, "at most 512 tokens between <t> and </t>, as asked"),
        (Reasoned[int], SWITCHED, {"chat_template_kwargs": {"enable_thinking": False}}, "at most 512 tokens, asked for in words"),
        (Reasoned[int], None, {}, "at most 512 tokens, asked for in words"),
        (Reasoned[int], None, {"max_reasoning_tokens": 0}, ""),
    ],
)  # fmt: skip
def test_an_explanation_says_how_the_model_reasons(kind: Any, thinking: Any, options: Any, said: str) -> None:
    assert said_by(kind, thinking, **options) == said


def test_an_explanation_without_an_engine_says_what_is_known() -> None:
    reasoned = prompt(_typed(Reasoned[int])).explain()
    assert reasoned.reasoning == (
        "at most 512 tokens, between marks of its own where the model has some, else asked for in words"
    )
    assert "  reasoning      at most 512 tokens" in str(reasoned)
    assert judge.explain().reasoning == "" and "reasoning" not in str(judge.explain())


def test_a_thought_takes_no_parameters_of_the_answer() -> None:
    engine = scripted("Hm.", "Hello! Bye!")
    with Runtime(engine):
        assert tell.using(stop=["Bye"], min_tokens=2, max_tokens=50, temperature=0.3, logprobs=2)("Hi!")
    thought, answer = (request.sampling for request in engine.requests)
    assert (thought["stop"], thought["min_tokens"], thought["logprobs"], thought["temperature"]) == ([], 0, None, 0.3)
    assert (answer["stop"], answer["min_tokens"], answer["max_tokens"]) == (["Bye"], 2, 50)
    assert engine.requests[0].before is engine.requests[1].constraint
