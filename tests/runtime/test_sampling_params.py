"""Sampling parameters: shared among equal requests, each request's own where they differ, and a list where it is enough.

A struct stands in the place of vLLM's own, which takes long to import; with that, the same is asked in `tests/engine`.
"""

from __future__ import annotations

import gc
from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from pydantic import Field

from typefold.compiler import TEXT, Constraint, output_type
from typefold.compiler.grammar.nodes import Language, choice
from typefold.runtime import Request
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.vllm.sampling_params import Parameters


class Kind(Enum):
    FINAL_ONLY = 1
    DELTA = 2


class Sampling(msgspec.Struct, dict=True):
    """What of vLLM's parameters matters here."""

    n: int = 1
    temperature: float = 1.0
    top_k: int = 0
    seed: int | None = None
    max_tokens: int | None = 16
    min_tokens: int = 0
    logprobs: int | None = None
    logit_bias: dict[int, float] | None = None
    allowed_token_ids: list[int] | None = None
    bad_words: list[str] | None = None
    stop: list[str] | None = None
    stop_token_ids: list[int] | None = None
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False
    detokenize: bool = True
    output_kind: Any = None
    structured_outputs: Any = None
    skip_clone: bool = False
    extra_args: dict[str, Any] | None = None


LABEL = output_type(Literal["keep", "drop"]).constraint
LONG = Constraint.of(Language(choice("keep", "kettle")))
GRAMMAR = output_type(Annotated[str, Field(max_length=9)]).constraint
UNWRITTEN = range(1000, 1300)


def parameters(first: tuple[int, ...] | None = (5, 6), **how: Any) -> Parameters:
    return Parameters(
        defaults=Sampling(max_tokens=None, temperature=0.6),
        default_max_tokens=None,
        output_kinds=Kind,
        structured_outputs=dict[str, Any],
        dialect="ebnf",
        unwritten=UNWRITTEN,
        first_tokens=None if first is None else lambda texts: first,
        **how,
    )


def asking(constraint: Constraint = LABEL, params: Any = None, /, **sampling: Any) -> Request:
    decision = constraint.few_answers
    begins = () if decision is None else decision.begins
    return Request(prompt="x", constraint=constraint, sampling_params=params, sampling=sampling, begins=begins)


def test_an_answer_of_one_token_is_kept_to_a_list_and_no_grammar() -> None:
    made, _ = parameters().build(asking(), 1)
    assert (made.allowed_token_ids, made.structured_outputs, made.stop_token_ids) == ([5, 6], None, None)


@pytest.mark.parametrize(
    ("request_", "tokens", "first"),
    [
        (asking(), 2, (5, 6)),
        (asking(LONG), 1, (5, 6)),
        (asking(), 1, ()),
        (asking(), 1, None),
        (asking(), 1, tuple(range(513))),
        (asking(LABEL, logprobs=3), 1, (5, 6)),
        (asking(LABEL, logprobs=0), 1, (5, 6)),
        (asking(LABEL, Sampling(logprobs=3)), 1, (5, 6)),
        (asking(LABEL, allowed_token_ids=[6, 7]), 1, (5, 6)),
        (asking(LABEL, Sampling(allowed_token_ids=[6])), 1, (5, 6)),
        (asking(LABEL, allowed_token_ids=[]), 1, (5, 6)),
        (Request(prompt="x", constraint=LABEL), 1, (5, 6)),
    ],
    ids=[
        *(
            "more tokens",
            "more texts",
            "not known",
            "never",
            "too many",
            "logprobs",
            "logprobs=0",
            "own logprobs",
            "a list given",
        ),
        *("own list", "an empty list", "asked to its end"),
    ],
)
def test_where_a_list_is_not_enough_it_is_the_grammar(
    request_: Request, tokens: int, first: tuple[int, ...] | None
) -> None:
    made, _ = parameters(first).build(request_, tokens)
    spec = request_.constraint.spec
    assert made.structured_outputs == {"choice": list(spec)}
    given = request_.sampling.get("allowed_token_ids", getattr(request_.sampling_params, "allowed_token_ids", None))
    assert made.allowed_token_ids == given


def test_both_ways_of_one_constraint_are_kept_apart() -> None:
    ours = parameters()
    for _ in range(2):
        assert ours.build(asking(), 1)[0].structured_outputs is None
        assert ours.build(asking(), 5)[0].structured_outputs is not None
    assert ours.build(asking(), 1)[1] is not ours.build(asking(), 5)[1]


def test_a_journal_does_not_tell_them_apart() -> None:
    """What is sent is how an answer is got; what it is depends on the constraint."""
    with_list, without = parameters(), parameters(())
    request = asking(LABEL, Sampling(temperature=0))
    assert with_list.identity(request) == without.identity(request) is not None


def test_equal_parameters_are_verified_once_whatever_objects_bring_them() -> None:
    checked, templates = list[Any](), set[int]()
    ours = parameters(check=checked.append)
    for number in range(50):
        params = Sampling(temperature=0.3, bad_words=["no"], logit_bias={7: 1.0}, seed=number)
        templates.add(id(ours.build(asking(LABEL, params), 5)[1]))
    assert len(checked) == len(templates) == 1


@pytest.mark.parametrize("named", [False, True], ids=["of SamplingParams", "by name"])
def test_seeds_and_limits_are_each_requests_own(named: bool) -> None:
    ours = parameters()
    seen: list[tuple[int | None, int | None]] = []
    for seed in (3, 1, None, 3, -1, 2**62):
        for most in (4, 5):
            request = asking(LABEL, seed=seed) if named else asking(LABEL, Sampling(seed=seed))
            made, _ = ours.build(request, most)
            assert (made.seed, made.max_tokens) == (None if seed == -1 else seed, most)
            seen.append((made.seed, made.max_tokens))
    assert len({*seen}) == 8


def test_a_seed_is_left_out_of_greedy_decoding_alone() -> None:
    ours = parameters()
    assert ours.build(asking(LABEL, Sampling(seed=4, temperature=0)), 3)[0].seed is None
    assert ours.build(asking(LABEL, Sampling(seed=4)), 3)[0].seed == 4
    assert ours.build(asking(LABEL, seed=4, temperature=0.0), 3)[0].seed is None
    assert ours.build(asking(LABEL, seed=4), 3)[0].seed == 4


def test_a_seed_that_no_generator_takes_is_refused_though_others_passed() -> None:
    ours = parameters()
    ours.build(asking(LABEL, Sampling(seed=1)), 3)
    for bad in (True, 2**64, "1", 1.0):
        with pytest.raises(EngineRefusal, match="seed must be an int"):
            ours.build(asking(LABEL, Sampling(seed=bad)), 3)  # type: ignore[arg-type]
        with pytest.raises(EngineRefusal, match="seed must be an int"):
            ours.build(asking(LABEL, seed=bad), 3)


def test_parameters_that_their_owner_changes_are_read_anew() -> None:
    ours = parameters()
    own = Sampling(temperature=0.3, logit_bias={7: 1.0}, bad_words=["no"])
    before, _ = ours.build(asking(LABEL, own), 5)
    own.temperature = 0.4
    assert ours.build(asking(LABEL, own), 5)[0].temperature == 0.4
    assert own.logit_bias is not None and own.bad_words is not None
    own.logit_bias[7] = -3.0
    own.bad_words.append("yes")
    changed, _ = ours.build(asking(LABEL, own), 5)
    assert (changed.logit_bias, changed.bad_words) == ({7: -3.0}, ["no", "yes"])
    assert (before.temperature, before.logit_bias, before.bad_words) == (0.3, {7: 1.0}, ["no"])
    # Another's with what they held first gets that, though it was made of the object which has changed since.
    again, _ = ours.build(asking(LABEL, Sampling(temperature=0.3, logit_bias={7: 1.0}, bad_words=["no"])), 5)
    assert (again.logit_bias, again.bad_words) == ({7: 1.0}, ["no"])


def test_lists_given_by_name_stay_their_owners_too() -> None:
    ours, banned = parameters(), ["no"]
    first, _ = ours.build(asking(LABEL, bad_words=banned), 5)
    banned.append("yes")
    assert first.bad_words == ["no"]
    assert ours.build(asking(LABEL, bad_words=banned), 5)[0].bad_words == ["no", "yes"]
    assert ours.build(asking(LABEL, bad_words=["no"]), 5)[0].bad_words == ["no"]


def test_a_new_object_in_the_place_of_an_old_one_is_not_taken_for_it() -> None:
    ours = parameters()
    for number in range(200):
        params = Sampling(top_k=number)
        assert ours.build(asking(LABEL, params), 5)[0].top_k == number
        del params
        gc.collect(0)


def test_what_can_not_be_compared_is_read_each_time() -> None:
    ours = parameters()
    nested: dict[str, Any] = {"mine": ["a", {"b": 1}]}
    for value in (1, 2):
        nested["mine"][1]["b"] = value
        made, template = ours.build(asking(LABEL, Sampling(extra_args=nested)), 5)
        assert made.extra_args == {"mine": ["a", {"b": value}]}
        assert template is not ours.build(asking(LABEL, Sampling(extra_args=nested)), 5)[1]


def test_parameters_of_another_class_are_refused_by_name() -> None:
    for other in ({"temperature": 0}, 7, "greedy", Sampling):
        with pytest.raises(EngineRefusal, match=r"sampling_params must be a vllm\.SamplingParams, not a"):
            parameters().build(asking(LABEL, other), 5)


def test_what_was_not_asked_for_lately_is_made_anew() -> None:
    ours = parameters()
    first = ours.build(asking(LABEL, top_k=1), 5)[1]
    for number in range(2, 200):
        ours.build(asking(LABEL, top_k=number), 5)
    assert ours.build(asking(LABEL, top_k=1), 5)[1] is first  # and so it is late again
    for number in range(200, 450):
        ours.build(asking(LABEL, top_k=number), 5)
    assert ours.build(asking(LABEL, top_k=1), 5)[1] is first
    for number in range(450, 710):
        ours.build(asking(LABEL, top_k=number), 5)
    assert ours.build(asking(LABEL, top_k=1), 5)[1] is not first


@pytest.mark.parametrize("how", ["by name", "of SamplingParams"])
def test_stop_tokens_beside_min_tokens_fit_the_runner_with_least_room(how: str) -> None:
    ours = parameters()
    request = asking(GRAMMAR, min_tokens=3) if how == "by name" else asking(GRAMMAR, Sampling(min_tokens=3))
    trimmed, _ = ours.build(request, 9)
    assert (trimmed.min_tokens, trimmed.stop_token_ids) == (3, [*UNWRITTEN][:100])
    assert ours.build(asking(GRAMMAR), 9)[0].stop_token_ids == [*UNWRITTEN]
    assert ours.build(asking(TEXT, min_tokens=3), 9)[0].stop_token_ids is None


def test_streamed_and_whole_answers_share_all_but_how_they_come() -> None:
    ours = parameters()
    whole, one = ours.build(asking(GRAMMAR), 9)
    request = Request(prompt="x", constraint=GRAMMAR, on_delta=lambda delta: None)
    streamed, other = ours.build(request, 9)
    assert one is other and (whole.output_kind, streamed.output_kind) == (Kind.FINAL_ONLY, Kind.DELTA)
    assert ours.build(asking(GRAMMAR), 9)[0].output_kind is Kind.FINAL_ONLY
