"""The fake engine without pytest's part in it: who gets which answer, and what is said of what was sent."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field
from returns.result import Success

from typefold import (
    ABSTAINED,
    BatchError,
    Cancelled,
    Decisions,
    EngineFailed,
    FinishReason,
    Invalid,
    Logged,
    PromptError,
    Reasoned,
    Refused,
    Scored,
    TimedOut,
    Truncated,
    ask,
    gather,
    prompt,
    raw,
    run,
    system,
    user,
)
from typefold.runtime import Request, Thinking
from typefold.runtime.engine import EngineRefusal
from typefold.testing import FakeEngine, ScriptError, SentPrompt, Text, truncated


class Character(BaseModel):
    name: Annotated[str, Field(max_length=10)]
    age: int = 30


@prompt(max_tokens=5)
def make_character(setting: str) -> Character:
    return ask(system("You invent."), user(f"Invent someone from {setting}."))


@prompt(retries=1)
def judge(text: str, strictly: bool = False) -> Literal["keep", "drop"]:
    return ask(f"Keep or drop? {text}")


@prompt
def age(name: str) -> int | None:
    return ask(f"How old is {name}?")


@prompt
def tell(topic: str) -> str:
    return ask(f"Tell of {topic}.")


@dataclass
class Storyteller:
    name: str

    @prompt
    def story(self, topic: str) -> str:
        return ask(f"{self.name} tells of {topic}.")


ADA, BOB = Character(name="Ada"), Character(name="Bob", age=5)


# --- answers ---------------------------------------------------------------------------------------------------------


def test_one_answer_is_for_every_call_and_several_are_for_one_after_the_other() -> None:
    with FakeEngine() as fake:
        fake.answer(make_character, ADA)
        fake.answer(judge, "keep", "drop")
        assert make_character.map(["a", "b", "c"]) == [ADA] * 3
        assert [judge("a"), judge("b")] == ["keep", "drop"]
        with pytest.raises(ScriptError, match="judge: all of its 2 answers are used up, and it is called once more"):
            judge("c")
        assert len(fake.problems) == 1
        fake.problems.clear()


def test_what_was_said_last_goes_first() -> None:
    with FakeEngine() as fake:
        fake.answer(age, 1)
        fake.answer_to("Zoe", 2)
        assert (age("Ada"), age("Zoe")) == (1, 2)
        fake.answer(age, None)
        assert (age("Ada"), age("Zoe")) == (None, None)


def test_a_function_answers_from_the_arguments() -> None:
    with FakeEngine() as fake:
        fake.answer_by(judge, lambda text, strictly=False: "drop" if strictly else "keep")
        assert (judge("a"), judge("a", strictly=True)) == ("keep", "drop")
        fake.answer_by(age, lambda name: NotImplemented if name == "Ada" else len(name))
        fake.answer_by(age, lambda name: 7 if name == "Ada" else NotImplemented)
        assert (age("Ada"), age("Beatrice")) == (7, 8)


def test_many_are_said_at_once_by_function_and_by_name() -> None:
    with FakeEngine() as fake:
        fake.answers({make_character: BOB, "judge": "drop", "Storyteller.story": Text("It rained.")})
        assert (make_character("x"), judge("x"), Storyteller("Ann").story("x")) == (BOB, "drop", "It rained.")

        def by_call(sent: SentPrompt) -> object:
            return "keep" if sent.arguments.get("text") == "good" else NotImplemented

        fake.answers(by_call)
        assert (judge("good"), judge("bad")) == ("keep", "drop")


def test_answers_are_for_the_function_with_any_options_and_a_method_for_its_instance() -> None:
    ann, ben = Storyteller("Ann"), Storyteller("Ben")
    with FakeEngine() as fake:
        fake.answer(judge, "keep")
        assert judge.using(temperature=0.5, max_tokens=3)("a") == "keep"
        fake.answer(Storyteller.story, "any")
        fake.answer(ann.story, "Ann's")
        assert (ann.story("x"), ben.story("x")) == ("Ann's", "any")
        fake.answer_by(ben.story, lambda topic: f"Ben's {topic}")
        assert ben.story("y") == "Ben's y"
        assert (fake.count(ann.story), fake.count(Storyteller.story)) == (1, 3)


def test_functions_of_one_name_are_told_apart() -> None:
    def make(text: str) -> int:
        return ask(text)

    one, other = prompt(make), prompt(make)
    with FakeEngine() as fake:
        fake.answer(one, 1)
        fake.answer(other, 2)
        assert (one("a"), other("a")) == (1, 2)


def test_every_way_to_call_gets_its_answer() -> None:
    def program(word: str) -> int | None:
        return age(word)

    @prompt
    async def later(text: str) -> int:
        return ask(text)

    with FakeEngine() as fake:
        fake.answer_by(age, lambda name: len(name))
        fake.answer(later, 5)
        assert run(program, ["a", "bb"]) == [1, 2]
        assert gather(age.defer("a"), age.defer("bbb")) == (1, 3)
        assert (age.submit("aaaa").result(), asyncio.run(age.aio("aa")), asyncio.run(later("x"))) == (4, 2, 5)
        with age.stream("abc") as stream:
            assert ("".join(stream), stream.result()) == ("3", 3)


def test_each_attempt_of_a_retry_gets_the_next_answer() -> None:
    with FakeEngine() as fake:
        fake.answer(judge, Text("maybe"), "drop")
        assert judge("a") == "drop"
        [sent] = fake.prompts_of(judge)
        assert [request.attempt for request in sent.requests] == [1, 2]


def test_special_types_get_the_value_inside() -> None:
    @prompt
    def logged(text: str) -> Logged[int]:
        return ask(text)

    @prompt
    def scored(text: str) -> Scored[Literal["keep", "drop"]]:
        return ask(text)

    @prompt
    def reasoned(text: str) -> Reasoned[str]:
        return ask(text)

    for thinking in (None, Thinking(opening=(1,), end=2, closing=(2,))):
        with FakeEngine(thinking=thinking) as fake:
            fake.answer(logged, 3)
            fake.answer(scored, "drop")
            fake.answer(reasoned, Reasoned(value="yes", reasoning="It is."))
            assert logged("a").value == 3
            assert scored("a").value == "drop"
            assert reasoned("a") == Reasoned(value="yes", reasoning="It is.")
            fake.answer(reasoned, "no")
            assert (reasoned("a").value, reasoned("a").reasoning) == ("no", reasoned("a").reasoning)
            assert [len(sent.requests) for sent in fake.prompts_of(reasoned)] == [2] * 4


def test_errors_are_the_row_s_own() -> None:
    with FakeEngine() as fake:
        fake.answer(age, 1, TimedOut(timeout=5), Refused(reason="no"), EngineFailed(reason="died"), Cancelled(), 2)
        results = age.safe.map(list("abcdef"))
        assert [results[0], results[-1]] == [Success(1), Success(2)]
        errors = [result.failure() for result in results[1:5]]
        assert [type(error) for error in errors] == [TimedOut, Refused, EngineFailed, Cancelled]
        assert [(error.function, error.row) for error in errors] == [("age", row) for row in range(1, 5)]
        assert "How old is b?" in str(errors[0].prompt)
        fake.answer(age, EngineRefusal("no such adapter"))
        with pytest.raises(Refused, match="no such adapter"):
            age("a")
        with pytest.raises(BatchError):
            run(age, ["a"])


def test_a_cut_answer_is_truncated_or_a_cut_text() -> None:
    @prompt
    def logged(text: str) -> Logged[str]:
        return ask(text)

    with FakeEngine() as fake:
        fake.answer(make_character, truncated('{"name": "A'))
        with pytest.raises(Truncated) as caught:
            make_character("a")
        assert caught.value.text == '{"name": "A'
        fake.answer(logged, truncated("It was a"))
        assert (logged("a").value, logged("a").finish_reason) == ("It was a", FinishReason.LENGTH)
        fake.answer(make_character, truncated())
        with pytest.raises(Truncated):
            make_character("a")


def test_a_text_is_read_as_it_stands() -> None:
    with FakeEngine() as fake:
        fake.answer(judge, Text("k"))  # a real engine is asked for no more than this, since only "keep" begins so
        with pytest.raises(Invalid):
            judge("a")


def test_limits_of_a_model_s_tokens_cut_nothing() -> None:
    with FakeEngine() as fake:  # five tokens are less than five bytes would be
        assert isinstance(make_character("a"), Character)
        fake.answer(make_character, ADA)
        assert make_character("a") == ADA


# --- what a script has wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"name": "Ada"}, 'it is of type dict, and would be written {"name": "Ada", "age": 30} and read as Character('),
        (3, "it is of type int. For a text"),
        (["Ada", 30], "it is of type list. For a text"),
        (Character.model_construct(name="far too long a name"), "it fails a check (string_too_long)"),
    ],
)
def test_a_value_that_is_none_of_the_type_is_said_at_once(value: object, reason: str) -> None:
    with FakeEngine() as fake, pytest.raises(ScriptError) as caught:
        fake.answer(make_character, value)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert str(caught.value).startswith("make_character: ")
    assert f"is no value of Character: {reason}" in str(caught.value)
    assert "write Text(...)" in str(caught.value)


def test_a_value_that_would_be_read_as_another_is_none() -> None:
    def lower(text: str) -> str:
        return text.lower()

    @prompt
    def name() -> Annotated[str, AfterValidator(lower)]:
        return ask("A name?")

    with FakeEngine() as fake:
        with pytest.raises(ScriptError, match=r"it would be written Ada and read as 'ada'"):
            fake.answer(name, "Ada")
        with pytest.raises(
            ScriptError, match=r"name: 1 is no value of Annotated\[.*\]: 1 is no value of str\. For a text"
        ):
            fake.answers({name: 1})
        fake.answer(name, Text("Ada"))
        assert name() == "ada"


def test_what_is_said_by_name_is_checked_when_it_is_asked_for() -> None:
    with FakeEngine() as fake:
        fake.answers({"judge": "maybe"})
        with pytest.raises(ScriptError, match="judge: 'maybe' is no value of"):
            judge("a")
        fake.answers({"judge": ValueError("no")})
        with pytest.raises(ScriptError, match="give a PromptError, or an EngineRefusal"):
            judge("a")
        fake.problems.clear()


def test_saying_nothing_is_a_mistake() -> None:
    fake = FakeEngine()
    with pytest.raises(ScriptError, match=r"answer\(judge\): no answer is given"):
        fake.answer(judge)
    with pytest.raises(ScriptError, match="no answer is given"):
        fake.answer_to("x")


def test_what_answers_a_call_may_fail_itself() -> None:
    def broken(name: str) -> int:
        raise KeyError(name)

    with FakeEngine() as fake:
        fake.answer_by(age, broken)
        with pytest.raises(KeyError):
            age("a")
        assert [type(problem) for problem in fake.problems] == [KeyError]
        fake.problems.clear()


# --- made up ---------------------------------------------------------------------------------------------------------


def test_what_is_made_up_is_valid_and_the_same_for_a_seed() -> None:
    def answers(seed: int) -> list[Character]:
        with FakeEngine(seed=seed):
            return make_character.map(map(str, range(20)))

    assert answers(1) == answers(1) != answers(2)


def test_made_up_answers_can_be_refused() -> None:
    with FakeEngine(made_up=False) as fake:
        with pytest.raises(ScriptError) as caught:
            judge("good")
        assert "judge: the script has no answer to this call" in str(caught.value)
        assert "  system: Answer keep or drop.\n  user: Keep or drop? good" in str(caught.value)
        fake.answer(judge, "keep")
        assert judge("good") == "keep"
        fake.problems.clear()


def test_a_mistake_that_the_program_caught_is_raised_at_the_end_of_the_block() -> None:
    fake = FakeEngine(made_up=False)
    with pytest.raises(ScriptError, match="judge: the script has no answer"), fake, contextlib.suppress(Exception):
        judge("first")
    assert repr(fake.runtime).endswith(": closed>")


def test_an_error_that_ends_the_block_is_not_replaced_by_a_mistake() -> None:
    with pytest.raises(ZeroDivisionError), FakeEngine(made_up=False):
        with contextlib.suppress(Exception):
            judge("first")
        raise ZeroDivisionError


# --- what was sent ---------------------------------------------------------------------------------------------------


def test_calls_are_kept_with_function_row_arguments_and_messages() -> None:
    with FakeEngine() as fake:
        judge.map(["a", "b"], strictly=True)
        tell("rain")
    first, second, third = fake.prompts
    assert (first.function, first.row, first.arguments) == ("judge", 0, {"text": "a", "strictly": True})
    assert (second.row, third.row, third.arguments) == (1, None, {"topic": "rain"})
    assert third.text == "Tell of rain." and "of rain" in third and "snow" not in third
    assert [message.role for message in third.prompt if not isinstance(message, str)] == ["user"]
    assert [type(request) for request in third.requests] == [Request]
    assert fake.prompts_of("tell") == fake.prompts_of(tell) == [third]
    assert repr(fake) == "<FakeEngine: 3 prompts, 3 requests>"


def test_raw_prompts_and_generate_are_kept_too() -> None:
    @prompt
    def plain(text: str) -> str:
        return ask(raw(f"<s>{text}"))

    with FakeEngine() as fake:
        plain("x")
        fake.answers({"generate": 4})
        assert fake.runtime.generate("How many?", output_type=int) == 4
    assert [(sent.function, sent.text[-9:], dict(sent.arguments)) for sent in fake.prompts] == [
        ("plain", "<s>x", {"text": "x"}),
        ("generate", "How many?", {}),
    ]
    assert "raw: <s>x" in str(fake.prompts[0])


def test_asserts_pass_and_give_what_they_found() -> None:
    with FakeEngine() as fake:
        judge.map(["a", "b"])
    assert len(fake.assert_called(judge)) == len(fake.assert_called("judge", times=2)) == 2
    [one] = fake.assert_called(judge, times=1, containing="Keep or drop? b")
    assert fake.assert_called_with(judge, "b") == one == fake.assert_called_with(judge, text="b", strictly=False)
    assert fake.assert_called(tell, times=0) == []


def test_a_failed_assert_lists_what_was_sent() -> None:
    with FakeEngine() as fake:
        with pytest.raises(AssertionError, match=r"^tell was called 0 times\. Nothing was sent\.$"):
            fake.assert_called(tell)
        judge.map([f"text {number}" for number in range(12)])
        make_character("Mars " * 100)
    with pytest.raises(AssertionError) as caught:
        fake.assert_called(judge, times=1)
    lines = str(caught.value).splitlines()
    assert lines[0] == "judge was called 12 times, not 1. What was sent:"
    assert lines[1:4] == [
        "  judge(text='text 0', strictly=False), row 0",
        "    system: Answer keep or drop.",
        "    user: Keep or drop? text 0",
    ]
    assert lines[-1] == "  and 3 more"
    with pytest.raises(AssertionError, match="judge was called 0 times with a prompt that contains 'rain', not 2"):
        fake.assert_called(judge, times=2, containing="rain")
    with pytest.raises(AssertionError, match=r"make_character was not called with \(setting='Venus'\)"):
        fake.assert_called_with(make_character, "Venus")
    with pytest.raises(TypeError):
        fake.assert_called_with(make_character)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue]


def test_a_validator_that_says_no_is_invalid() -> None:
    with FakeEngine() as fake:
        fake.answer(judge, Text("maybe"))
        with pytest.raises(Invalid) as caught:
            judge("a")
    assert caught.value.attempts == 2
    assert isinstance(caught.value, PromptError)


class Mail(BaseModel):
    team: Scored[Literal["billing", "support", "sales"]]
    urgent: bool


UNSURE: Scored[Literal["billing", "support", "sales"]] = Scored(
    value="billing", probabilities={"billing": 0.5, "support": 0.3, "sales": 0.2}, outside=0.1
)


@prompt
def sort_mail(text: str) -> Scored[Literal["billing", "support", "sales"]]:
    return ask(text)


@prompt
def triage_mail(text: str) -> Decisions[Mail]:
    return ask(text)


@prompt
def read_mails(text: str) -> list[Mail]:
    return ask(text)


def test_answers_may_have_probabilities() -> None:
    def is_unsure(found: Scored[Any]) -> bool:
        return found.probabilities == pytest.approx(UNSURE.probabilities) and found.outside == pytest.approx(0.1)

    unsure, sure = Mail(team=UNSURE, urgent=True), Mail(team=Scored.of("sales"), urgent=False)
    with FakeEngine() as fake:
        answers: Any = fake.answer
        answers(sort_mail, UNSURE)
        assert is_unsure(sort_mail("x"))
        assert sort_mail("x").decide(abstain_below=0.6) is ABSTAINED
        fake.answer(triage_mail, unsure)
        assert is_unsure(triage_mail("x").value.team)
        fake.answer(triage_mail, sure)
        assert triage_mail("x").value.team.value == "sales"
        assert triage_mail("x").value.urgent is False
        fake.answer(read_mails, [sure, unsure, sure])
        first, second, third = read_mails("x")
        assert is_unsure(second.team)
        assert first.team.value == third.team.value == "sales"
        assert first.team.probability > 0.6
        assert fake.count(read_mails) == 1
        assert fake.count(triage_mail) == 3


def test_made_up_answers_of_decisions_are_of_their_type() -> None:
    with FakeEngine():
        assert triage_mail("x").fields.keys() == {"team", "urgent"}
        assert all(isinstance(mail, Mail) for mail in read_mails("x"))
