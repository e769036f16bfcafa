"""Samples on a real model: drawn apart, repeated by a seed, and with their common prompt computed once."""

from __future__ import annotations

import pytest

from typefold import Logged, PromptUsageError, Runtime, ask, majority, prompt
from typefold.runtime.engines.vllm.engine import VllmEngine

pytestmark = pytest.mark.engine


@prompt(temperature=1.0, max_tokens=8)
def story(topic: str) -> Logged[str]:
    return ask("You have read " + "very many old books, " * 24 + f"so begin a story about {topic}.")


@prompt(temperature=1.0)
def mood(text: str) -> bool:
    return ask(f"Is this sad? {text}")


def test_samples_differ_and_find_their_prompt_in_the_prefix_cache(runtime: Runtime) -> None:
    answers = story.sample(6)("a lighthouse")
    assert len({answer.token_ids for answer in answers}) > 1
    cached = [answer.cached_tokens for answer in answers]
    assert sum(tokens > answers[0].prompt_tokens // 2 for tokens in cached) >= 5, cached
    votes = majority(mood.sample(5)("It rained."))
    assert votes.total == 5


def test_a_seed_repeats_samples_and_keeps_them_apart(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "close", lambda: None)
    drawn: list[list[list[str]]] = []
    for _ in range(2):
        with Runtime(engine, seed=7) as runtime:
            drawn.append([[each.text for each in row] for row in story.sample(3).map(["a mill", "a mill"])])
            assert runtime.stats.deduplicated == 0
    assert drawn[0] == drawn[1]
    assert len({text for row in drawn[0] for text in row}) > 3


def test_vllms_own_n_is_refused_with_what_to_write(runtime: Runtime) -> None:
    from vllm import SamplingParams

    with pytest.raises(PromptUsageError, match=r"use \.sample\(n\)"):
        story.using(sampling_params=SamplingParams(n=2, max_tokens=4))("a mill")
