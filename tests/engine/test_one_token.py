"""Answers of one token reach vLLM with a list of tokens and no grammar, and prompts that begin alike as `LLM.chat` has them."""
# Tests look inside:
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false
# (vLLM says little of its types)

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from tests.laws.matchers import choice_grammar
from typefold import Message, OneOf, Runtime, Scored, ask, example, prompt
from typefold.compiler import output_type
from typefold.runtime import Request
from typefold.runtime.engines.vllm import prefix_cache
from typefold.runtime.engines.vllm.engine import VllmEngine

pytestmark = pytest.mark.engine


class Mood(Enum):
    GLAD = "glad"
    SAD = "sad"


NEWS = ["A striker praised the match.", "The bank sold a chip.", "A painter lost the election."]


@pytest.fixture
def sent(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """The prompts and parameters of all requests that reach vLLM."""
    seen: list[tuple[Any, Any]] = []
    add = engine._engine.add_request

    def add_request(key: str, given: Any, params: Any, **options: Any) -> Any:
        seen.append((given, params))
        return add(key, given, params, **options)

    monkeypatch.setattr(engine._engine, "add_request", add_request)
    return seen


HINTS: list[Any] = [
    bool,
    bool | None,
    Mood,
    Literal["politics", "sports", "technology"],
    Literal["übel"],
    Annotated[int, Field(ge=0, le=9)],
    Annotated[str, OneOf(["yes", "no", '"quoted"', "\\"])],
]


@pytest.mark.parametrize("hint", HINTS, ids=str)
def test_a_type_of_one_token_is_sent_with_a_list_and_no_grammar(
    hint: type[Any], runtime: Runtime, sent: list[tuple[Any, Any]]
) -> None:
    kind = output_type(hint)
    decision = kind.constraint.few_answers
    assert decision is not None and decision.begins == decision.texts
    values = runtime.generate(NEWS, output_type=hint, temperature=1.0)
    assert all(kind.encode(value) in decision.texts for value in values)
    assert len(sent) == len(NEWS)
    for _, params in sent:
        assert params.structured_outputs is None and params.max_tokens == 1
        assert params.allowed_token_ids
    assert runtime.stats.output_tokens == len(NEWS)


@prompt(temperature=0.0)
def topic(news: str) -> Literal["politics", "sports"]:
    return ask(news)


@prompt
def chances(news: str) -> Scored[Literal["politics", "sports"]]:
    return ask(news)


def test_whoever_sees_more_than_the_value_is_answered_under_the_grammar(
    runtime: Runtime, engine: VllmEngine, sent: list[tuple[Any, Any]]
) -> None:
    from vllm import SamplingParams

    topic(NEWS[0])
    assert sent.pop()[1].structured_outputs is None
    whole = Runtime(engine, deduplicate=False, early_stop=False)
    with whole:
        topic(NEWS[0])
    "".join(topic.stream(NEWS[0]))
    topic.using(logprobs=2)(NEWS[0])
    topic.using(sampling_params=SamplingParams(allowed_token_ids=[*range(2000)]))(NEWS[0])
    assert len(sent) >= 4
    assert all(params.structured_outputs is not None for _, params in sent)


def test_probabilities_of_first_tokens_are_asked_for_by_number_and_without_a_grammar(
    runtime: Runtime, sent: list[tuple[Any, Any]]
) -> None:
    chances(NEWS[0])
    [(_, params)] = sent
    assert params.structured_outputs is None and params.allowed_token_ids is None
    assert len(params.logprob_token_ids) > 1


def test_rows_with_parameters_of_their_own_keep_their_seeds(engine: VllmEngine, sent: list[tuple[Any, Any]]) -> None:
    from vllm import SamplingParams

    constraint = output_type(Literal["politics", "sports"]).constraint
    assert constraint.few_answers is not None
    for number in range(4):
        params = SamplingParams(temperature=0.8, seed=number, logit_bias={5: 1.0}, bad_words=["no"])
        begins = constraint.few_answers.begins
        request = Request(prompt=NEWS[0], constraint=constraint, sampling_params=params, begins=begins)
        engine.add(f"row {number}", request, engine.tokenize(request), 1)
        assert params.logit_bias is not None
        params.logit_bias[5] = -1.0  # by the caller, for something else
    assert [params.seed for _, params in sent] == [0, 1, 2, 3]
    assert {str(params.logit_bias) for _, params in sent} == {"{5: 1.0}"}
    assert len({id(params.allowed_token_ids) for _, params in sent}) == 1  # which is one template's


def test_a_model_that_takes_no_list_of_tokens_is_held_to_the_grammar(
    engine: VllmEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request(prompt=NEWS[0], constraint=output_type(bool).constraint, begins=("false", "true"))
    assert engine._parameters.build(request, 1)[0].structured_outputs is None
    config: Any = engine._engine.vllm_config.model_config
    assert config.is_diffusion is False
    monkeypatch.setattr(config, "is_diffusion", True)
    made, _ = VllmEngine(engine._llm, owned=False)._parameters.build(request, 1)
    assert made.structured_outputs is not None and made.allowed_token_ids is None


def test_so_is_one_whose_backend_has_another_mask(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """llguidance leaves some tokens out that end within a character, so a list would not be its mask."""
    request = Request(prompt=NEWS[0], constraint=output_type(bool).constraint, begins=("false", "true"))
    monkeypatch.setattr(engine._engine.vllm_config.structured_outputs_config, "backend", "guidance")
    made, _ = VllmEngine(engine._llm, owned=False)._parameters.build(request, 1)
    assert made.structured_outputs is not None and made.allowed_token_ids is None


def test_a_list_is_not_longer_than_the_room_that_vllm_has_for_it() -> None:
    from vllm.v1.worker.gpu.sample import logit_bias

    from typefold.runtime.engines.vllm import sampling_params

    assert logit_bias.MAX_NUM_ALLOWED_TOKEN_IDS >= sampling_params._MOST_FIRST
    assert (
        sampling_params._MOST_STOPS + 16 <= logit_bias.MAX_NUM_STOP_TOKEN_IDS
    )  # with the ends that a model has of its own


def test_choices_are_written_as_vllm_writes_them() -> None:
    """What the list of first tokens is compared with elsewhere is what vLLM would send."""
    from vllm.v1.structured_output.utils import choice_as_grammar

    for texts in (["a", "b"], ['"q"', "\\", "'"], ["übel", "🦊 x", "\u2028"]):
        assert choice_as_grammar(texts) == choice_grammar(texts)


SHOTS = [example(label, news=news) for news, label in zip(NEWS, ("sports", "politics", "politics"), strict=True)] * 3


@prompt(temperature=0.0, examples=SHOTS)
def taught(news: str) -> Literal["politics", "sports"]:
    """Say of the news, which are of all sorts and from anywhere, what they are about: politics or sports."""
    return ask(f"News: {news}")


def test_prompts_that_begin_alike_have_the_tokens_of_llm_chat(
    runtime: Runtime, engine: VllmEngine, sent: list[tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vllm import SamplingParams

    monkeypatch.setattr(
        engine._prompts, "_prefixes", prefix_cache.PrefixEncoder(engine._tokenizer, engine._prompts._control.encode)
    )
    rows = [
        f"{who} {what}."
        for who in ("The cat", "The category", "A striker", "The bank")
        for what in ("won", "lost, 2", "'s\n")
    ]
    taught.map(rows)
    ours = [[*given["prompt_token_ids"]] for given, _ in sent]
    assert engine._prompts._prefixes._root.below
    conversations: list[Any] = [
        [{"role": each.role, "content": each.content} for each in taught.render(row) if isinstance(each, Message)]
        for row in rows
    ]
    outputs = engine._llm.chat(conversations, SamplingParams(max_tokens=1), use_tqdm=False)
    assert ours == [list(output.prompt_token_ids) for output in outputs]
    assert all(len(token_ids) > 200 for token_ids in ours)
