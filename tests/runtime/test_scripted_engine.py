"""The scripted engine: deterministic, batched as vLLM batches, and broken only when told to be."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from typefold.compiler import Constraint, Message
from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.nodes import Language, Ref, char_class, choice, repeat, seq
from typefold.runtime import Completion, EngineRefusal, FinishReason, Outcome, Request
from typefold.runtime.engines.scripted import Answers, ScriptedEngine

TREE = Language(
    Ref("tree"),
    {"tree": choice("null", seq('{"name":"', repeat(char_class((97, 122)), 1, 8), '","child":', Ref("tree"), "}"))},
)
COLOUR = Language(choice("red", "green", "blue"))


def ask(text: str, language: Language | None = None, **sampling: object) -> Request:
    constraint = Constraint("text") if language is None else Constraint.of(language)
    return Request(prompt=(Message("user", text),), constraint=constraint, sampling=sampling)


def answer(engine: ScriptedEngine, requests: Sequence[Request], max_tokens: int = 1000) -> list[Outcome]:
    for index, request in enumerate(requests):
        engine.add(str(index), request, engine.tokenize(request), max_tokens)
    done: list[Completion] = []
    while engine.has_unfinished:
        done += engine.step()
    return [completion.outcome for completion in sorted(done, key=lambda completion: int(completion.key))]


def test_made_up_texts_are_valid_under_their_constraint() -> None:
    requests = [ask(f"row {index}", TREE) for index in range(200)]
    outcomes = answer(ScriptedEngine(), requests, max_tokens=100_000)
    assert all(recognises(TREE, outcome.text) for outcome in outcomes)
    assert all(isinstance(json.loads(outcome.text), dict | None) for outcome in outcomes)
    assert len({outcome.text for outcome in outcomes}) > 20


def test_a_request_is_answered_alike_whatever_shares_its_batch() -> None:
    request = ask("the same", TREE)
    [alone] = answer(ScriptedEngine(), [request])
    crowd = [*(ask(f"other {index}", TREE) for index in range(30)), request]
    assert answer(ScriptedEngine(max_num_seqs=3, tokens_per_step=5), crowd)[-1].text == alone.text


def test_content_and_seed_make_the_answer_and_the_row_does_not() -> None:
    def text(request: Request, seed: int = 0) -> str:
        return answer(ScriptedEngine(seed=seed), [request])[0].text

    request = ask("x")
    assert text(request) == text(request) == text(Request(prompt=request.prompt, row=7, function="f"))
    assert len({text(request), text(ask("y")), text(request, seed=1), text(ask("x", temperature=0.5))}) == 4


def test_free_text_is_short_prose() -> None:
    [outcome] = answer(ScriptedEngine(), [ask("Tell me.")])
    assert outcome.finish_reason is FinishReason.STOP
    assert outcome.text.endswith(".") and 3 <= len(outcome.text.split()) <= 12


def test_tokens_are_bytes_and_the_end_of_text_is_one() -> None:
    engine = ScriptedEngine(answers=["é"])
    request = ask("ü")
    assert engine.info.vocabulary.longest == 1
    [outcome] = answer(engine, [request])
    assert outcome == Outcome(
        text="é",
        finish_reason=FinishReason.STOP,
        prompt_tokens=len("<user>\nü\n<assistant>\n".encode()),
        output_tokens=3,
        token_ids=(*"é".encode(), 256),
    )


@pytest.mark.parametrize(
    ("max_tokens", "text", "reason"),
    [
        (1, "a", FinishReason.LENGTH),
        (2, "a", FinishReason.LENGTH),  # é takes two bytes: half of it is dropped
        (3, "aé", FinishReason.LENGTH),  # the whole text, but no room for the token that ends it
        (4, "aé", FinishReason.STOP),
    ],
)
def test_max_tokens_cuts_as_vllm_does(max_tokens: int, text: str, reason: FinishReason) -> None:
    [outcome] = answer(ScriptedEngine(answers=["aé"]), [ask("")], max_tokens)
    assert (outcome.text, outcome.finish_reason, outcome.output_tokens) == (text, reason, max_tokens)


def test_a_batch_is_continuous() -> None:
    engine = ScriptedEngine(answers=["abc", "a", "a"], max_num_seqs=2)
    for key in "xyz":
        request = ask(key)
        engine.add(key, request, engine.tokenize(request), 100)
    finished = [[completion.key for completion in engine.step()] for _ in range(4)]
    assert finished == [[], ["y"], [], ["x", "z"]]  # z took y's place while x was still running
    assert engine.steps == 4


def test_tokens_per_step_speeds_every_sequence() -> None:
    engine = ScriptedEngine(answers=["abcdefg"], tokens_per_step=4)
    answer(engine, [ask("")])
    assert engine.steps == 2


def test_what_was_added_is_recorded() -> None:
    engine = ScriptedEngine()
    requests = [ask("one"), ask("two")]
    answer(engine, requests)
    assert engine.requests == requests


def _shout(request: Request) -> str:
    assert not isinstance(request.prompt, str)
    return request.prompt[-1].content.upper()


@pytest.mark.parametrize(
    "answers",
    [_shout, {"a": "A", "b": "B"}, ["A", "B"], iter(["A", "B"])],
    ids=["function", "mapping", "list", "iterator"],
)
def test_answers_are_a_function_a_mapping_or_an_iterable(answers: Answers) -> None:
    assert [outcome.text for outcome in answer(ScriptedEngine(answers=answers), [ask("a"), ask("b")])] == ["A", "B"]


@pytest.mark.parametrize("answers", [{}, []])
def test_a_missing_answer_refuses_the_request(answers: Answers) -> None:
    engine = ScriptedEngine(answers=answers)
    with pytest.raises(EngineRefusal, match="answers="):
        engine.add("a", ask("hello"), [1], 10)
    assert not engine.has_unfinished and not engine.requests


def test_a_text_alone_is_no_script() -> None:
    with pytest.raises(TypeError, match="answers must be"):
        ScriptedEngine(answers="Hello.")


def test_a_finish_reason_ends_an_answer_without_text() -> None:
    outcomes = answer(ScriptedEngine(answers=[FinishReason.ERROR, "fine"]), [ask("a"), ask("b")])
    assert [(outcome.text, outcome.finish_reason) for outcome in outcomes] == [
        ("", FinishReason.ERROR),
        ("fine", FinishReason.STOP),
    ]


def test_a_refusal_in_the_script_is_raised_by_add() -> None:
    engine = ScriptedEngine(answers=[EngineRefusal("no such adapter"), "fine"])
    with pytest.raises(EngineRefusal, match="no such adapter"):
        engine.add("a", ask("a"), [1], 10)
    assert answer(engine, [ask("b")])[0].text == "fine"


def test_the_refusal_hook_gives_the_reason() -> None:
    engine = ScriptedEngine(refuse=lambda request: "too hot" if request.sampling.get("temperature", 0) > 1 else None)
    with pytest.raises(EngineRefusal, match="too hot"):
        engine.add("a", ask("a", temperature=2), [1], 10)
    engine.add("b", ask("b", temperature=1), [1], 10)
    assert engine.has_unfinished


def test_any_other_exception_breaks_the_engine_once_the_request_runs() -> None:
    engine = ScriptedEngine(answers=["fine", OSError("the card fell off")])
    for key in "ab":
        engine.add(key, ask(key), [1], 10)
    with pytest.raises(OSError, match="the card fell off"):
        engine.step()


def test_fail_at_step_breaks_in_that_step() -> None:
    engine = ScriptedEngine(answers=["abcdef"], fail_at_step=3)
    engine.add("a", ask("a"), [1], 10)
    assert [engine.step(), engine.step()] == [[], []]
    with pytest.raises(RuntimeError, match="step 3"):
        engine.step()


def test_aborted_requests_give_no_completion() -> None:
    engine = ScriptedEngine(answers=["abc", "abc", "abc"], max_num_seqs=2)
    for key in "abc":
        engine.add(key, ask(key), [1], 10)
    engine.step()
    engine.abort(["a", "c", "unknown"])  # one running, one waiting
    done: list[Completion] = []
    while engine.has_unfinished:
        done += engine.step()
    assert [completion.key for completion in done] == ["b"]


def test_a_prompt_that_fills_the_context_is_refused_and_a_long_answer_is_cut_at_it() -> None:
    engine = ScriptedEngine(answers=["abcdef"] * 2, max_model_len=10)
    with pytest.raises(EngineRefusal, match="max_model_len is 10"):
        engine.add("a", ask(""), list(range(10)), 5)
    engine.add("b", ask(""), list(range(8)), 5)
    assert [engine.step(), [done.outcome.text for done in engine.step()]] == [[], ["ab"]]


def test_a_last_assistant_message_is_continued() -> None:
    engine = ScriptedEngine()
    request = Request(prompt=(Message("user", "Hi"), Message("assistant", "Well,")))
    assert bytes(engine.tokenize(request)) == b"<user>\nHi\n<assistant>\nWell,"
    assert bytes(engine.tokenize(Request(prompt="as it stands"))) == b"as it stands"


def test_a_lone_surrogate_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        ScriptedEngine().tokenize(ask("\ud800"))


def test_the_own_limit_is_told_and_a_bad_one_refused() -> None:
    engine = ScriptedEngine()
    assert engine.max_tokens(ask("")) is None
    assert engine.max_tokens(ask("", max_tokens=7)) == 7
    with pytest.raises(EngineRefusal, match="at least 1"):
        engine.max_tokens(ask("", max_tokens=0))


def test_a_raw_constraint_needs_a_script() -> None:
    request = Request(prompt="x", constraint=Constraint("regex", raw="a+"))
    with pytest.raises(EngineRefusal, match="raw regex"):
        ScriptedEngine().add("a", request, [1], 10)
    assert answer(ScriptedEngine(answers=["aaa"]), [request])[0].text == "aaa"


def test_closing_twice_is_fine_and_adding_afterwards_is_not() -> None:
    engine = ScriptedEngine()
    engine.add("a", ask("a"), [1], 10)
    engine.close()
    engine.close()
    assert engine.closed and not engine.has_unfinished
    with pytest.raises(RuntimeError, match="closed"):
        engine.add("b", ask("b"), [1], 10)
