"""`Logged`, `Reasoned`, `Scored` and retries on a real model: the numbers are the model's own."""
# Tests look inside:
# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field

from typefold import Invalid, Logged, Reasoned, Runtime, Scored, ask, prompt, user
from typefold.compiler import Constraint
from typefold.compiler.grammar.nodes import Language, choice
from typefold.runtime import Outcome, Request
from typefold.runtime.engines.vllm.engine import VllmEngine
from typefold.runtime.scoring import Distribution, probabilities

from .elsewhere import OWN_PROCESS, facts_of
from .other_models import CHOICES, QUESTION, thinking_model
from .scored_directly import Direct

pytestmark = pytest.mark.engine

LABELS = ["positive", "negative", "neutral"]


@pytest.fixture
def runtime(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A runtime on the session's engine, which it leaves open."""
    monkeypatch.setattr(engine, "close", lambda: None)
    with Runtime(engine) as runtime:
        yield runtime


def answer(runtime: Runtime, request: Request) -> Outcome:
    [future] = runtime.submit([request])
    return future.result()


def follow(runtime: Runtime, texts: list[str], max_logprobs: int) -> tuple[list[float], int]:
    """The probabilities of texts, and how many requests they took."""
    exchange = probabilities(Request(prompt=(user(QUESTION),)), texts, max_logprobs=max_logprobs)
    count, request = 1, next(exchange)
    while True:
        try:
            request = exchange.send(answer(runtime, request))
        except StopIteration as end:
            found: Distribution = end.value
            return found.probabilities, count
        count += 1


def test_log_probabilities_of_a_constrained_answer_are_those_among_the_admitted_tokens(runtime: Runtime) -> None:
    constraint = Constraint.of(Language(choice(*LABELS)))
    sampling = {"temperature": 0, "logprobs": 40}
    outcome = answer(runtime, Request(prompt=(user(QUESTION),), constraint=constraint, sampling=sampling))
    assert outcome.logprobs is not None
    assert len(outcome.logprobs) == len(outcome.token_ids) == outcome.output_tokens
    assert b"".join(row[0].written for row in outcome.logprobs).decode() == outcome.text
    for row, token_id in zip(outcome.logprobs, outcome.token_ids, strict=True):
        assert row[0].token_id == token_id
        assert math.fsum(math.exp(token.logprob) for token in row) == pytest.approx(1, abs=1e-4)
    first = {token.written.decode() for token in outcome.logprobs[0]}
    assert {"p", "n", "positive", "negative", "neutral"} <= first
    assert all(any(label.startswith(written) for label in LABELS) for written in first)


@OWN_PROCESS
def test_scored_is_what_the_logits_of_the_model_say(model: str) -> None:
    facts = facts_of("other_models.py", "exact", model)
    direct = Direct(model, "float32", special_ends=facts["special_ends"])
    for choices, found in zip(CHOICES, facts["probabilities"], strict=True):
        expected = direct.probabilities(facts["prompt"], choices, negligible=1e-5)
        assert found == pytest.approx(expected, abs=1e-3), choices
        assert math.fsum(found) == pytest.approx(1)


@OWN_PROCESS
def test_decisions_and_choices_in_objects_are_what_the_logits_of_the_model_say(model: str) -> None:
    facts = facts_of("other_models.py", "exact", model)
    direct = Direct(model, "float32", special_ends=facts["special_ends"])
    for field in (*facts["decided"], *facts["written"]):
        prompt, choices = field["prompt"], field["choices"]
        assert field["found"] == pytest.approx(direct.probabilities(prompt, choices, negligible=1e-5), abs=1e-3), (
            choices
        )
        assert field["outside"] == pytest.approx(direct.outside(prompt, choices, negligible=1e-5), abs=1e-3), choices
    assert [field["choices"][0] for field in facts["decided"]] == ['clear"}', " true}", " 0}", 'sea"}']


def test_a_greedy_answer_and_a_scored_one_agree_where_one_token_decides(runtime: Runtime) -> None:
    questions = [f"Is {number} more than 50?" for number in (3, 20, 49, 70, 99)]
    chosen = runtime.generate(questions, output_type=Logged[bool], temperature=0, logprobs=10)
    weighed = runtime.generate(questions, output_type=Scored[bool])
    for greedy, answer_ in zip(chosen, weighed, strict=True):
        assert greedy.logprobs is not None
        letter = str(answer_.value).lower()[0]
        mass = sum(math.exp(token.logprob) for token in greedy.logprobs[0] if token.text.startswith(letter))
        assert answer_.probability == pytest.approx(mass, abs=1e-3)


def test_choices_that_one_step_can_not_tell_are_scored_in_groups_with_the_same_result(
    runtime: Runtime, engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine._parameters, "_ahead", None)  # with tokens by number, each step can tell them
    letters = ["red", "green", "blue", "yellow", "pink", "orange", "cyan", "white"]
    whole, few = follow(runtime, letters, 256)
    grouped, many = follow(runtime, letters, 6)
    assert many > few
    assert grouped == pytest.approx(whole, abs=1e-3)


def test_scored_rows_may_share_a_batch_with_rows_that_ask_for_log_probabilities(runtime: Runtime) -> None:
    @prompt
    def score(question: str) -> Scored[bool]:
        return ask(question)

    @prompt(temperature=0, logprobs=3)
    def log(question: str) -> Logged[bool]:
        return ask(question)

    alone = score(QUESTION)
    under_way = [
        (score.submit(f"{QUESTION}{tail}"), log.submit(f"{QUESTION}{tail}")) for tail in ("", " ", "  ", "   ")
    ]
    answers = [(first.result(), second.result()) for first, second in under_way]
    assert answers[0][0].probability == pytest.approx(alone.probability, abs=1e-3)
    for scored_answer, logged in answers:
        assert math.fsum(scored_answer.probabilities.values()) == pytest.approx(1)
        assert logged.logprobs is not None
        assert len(logged.logprobs[0]) == 3
        assert all(token.logprob > -20 for token in logged.logprobs[0])


def test_a_logged_answer_tells_of_the_prefix_cache(runtime: Runtime) -> None:
    long = "The lighthouse stood on a rock in the sea. " * 40
    first, second = (runtime.generate(long + tail, output_type=Logged[bool]) for tail in ("Did it?", "Why not?"))
    assert second.cached_tokens >= 128 > 0
    assert first.prompt_tokens > second.cached_tokens
    assert first.token_ids
    assert first.logprobs is None


class Pet(BaseModel):
    name: Annotated[str, Field(max_length=12)]
    legs: Annotated[int, Field(ge=0, le=8)]


def test_a_retry_mends_the_answer_of_a_real_model(runtime: Runtime) -> None:
    tried: list[str] = []

    def refuse_once(pet: Pet) -> Pet:
        tried.append(pet.name)
        if len(tried) == 1:
            raise ValueError("the name is taken")
        return pet

    @prompt(retries=2, temperature=0)
    def invent(animal: str) -> Logged[Annotated[Pet, AfterValidator(refuse_once)]]:
        return ask(f"Invent a {animal}.")

    done = invent("dog")
    assert (done.attempts, len(tried)) == (2, 2)
    assert runtime.stats.retried == 1


def test_a_row_that_stays_invalid_leaves_the_others_alone(runtime: Runtime) -> None:
    def never(pet: Pet) -> Pet:
        raise ValueError("nobody is good enough")

    bad: Any = Annotated[Pet, AfterValidator(never)]
    kinds: list[Any] = [bool, bad, Pet, Scored[bool]]
    from typefold import BatchError

    with pytest.raises(BatchError) as caught:
        runtime.generate([QUESTION] * 4, output_type=kinds, retries=1, seed=3)
    first, second, third, fourth = caught.value.results
    error = second.failure()
    assert isinstance(error, Invalid)
    assert error.attempts == 2
    assert all(type(each).__name__ == "Success" for each in (first, third, fourth))


def test_a_cut_answer_grows_on_a_real_model(runtime: Runtime) -> None:
    @prompt(temperature=0, max_tokens=4, retry_truncated=True)
    def tell() -> Annotated[list[Literal["a long word indeed", "another long word"]], Field(min_length=1)]:
        return ask("Say it.")

    short: Any = tell.using(retry_truncated=False).safe()
    assert type(short.failure()).__name__ == "Truncated"
    outcome = tell.safe()
    assert runtime.stats.retried > 0
    assert type(outcome).__name__ == "Success" or getattr(outcome.failure(), "max_tokens", 0) > 64


def test_a_model_without_marks_thinks_in_a_turn_of_its_own(runtime: Runtime, engine: VllmEngine) -> None:
    assert engine.info.thinking is None

    @prompt(temperature=0, max_reasoning_tokens=24)
    def solve(task: str) -> Reasoned[Annotated[int, Field(ge=0, le=99)]]:
        return ask(task)

    done = solve.map(["2 + 2?", "3 + 3?"])
    assert all(0 <= each.value <= 99 and each.reasoning for each in done)


@OWN_PROCESS
def test_a_model_that_was_made_to_think_does_so_between_its_marks(model: str, tmp_path: Path) -> None:
    facts = facts_of("other_models.py", "thinking", thinking_model(Path(model), tmp_path / "model"))
    closed, open_, own = facts["prompts"]
    assert closed.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert open_ == own
    assert open_.endswith("<|im_start|>assistant\n")
    value, reasoning = facts["cut"]
    assert isinstance(value, bool)
    assert reasoning
    thoughts, last = facts["begun"]
    assert thoughts == "<think>\n"
    assert last.startswith("<think>\n") and last.endswith("</think>\n\n")
    assert reasoning in re.sub(r"<\|\w+\|>", "", last)  # this model writes control tokens too, which are not in a text
    value, reasoning, begun = facts["ended"]
    assert isinstance(value, bool)
    assert reasoning == ""
    assert begun == ["<think>\n", "<think>\n</think>\n\n"]
    assert facts["plain"] in ("true", "false")
    answers_come_behind_the_thought(facts["always"])


def answers_come_behind_the_thought(facts: dict[str, Any]) -> None:
    """Check what came of a chat template that begins every answer inside a thought."""
    assert facts["always"] is True
    assert isinstance(facts["label"], bool)
    assert "think>" not in facts["text"] and facts["text"].strip()
    asked = facts["sent"][0]
    assert asked.endswith("<|im_start|>assistant\n<think>\n")
    label, text = facts["sent"][1], facts["sent"][3]
    assert facts["sent"][::2] == [asked, asked]
    assert label == text  # the same thought, closed at its limit
    assert label.startswith(asked) and label.endswith("</think>\n\n") and len(label) > len(asked) + len("</think>\n\n")
    assert facts["text"] not in label.removeprefix(asked)
    closed, thought, *steps = facts["behind"]
    assert isinstance(facts["closed"], bool)
    assert closed == f"{asked}\n</think>\n\n"
    assert thought == asked
    assert steps and all(step.startswith(asked) and "</think>\n\n" in step for step in steps)
    assert math.fsum(facts["scored"]) == pytest.approx(1)
    value, sent = facts["ended"]
    assert isinstance(value, bool)
    assert sent == [asked, f"{asked}</think>\n\n"]
