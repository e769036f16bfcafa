"""Settled answers on real vLLM: the labels of the full constraint, greedy and drawn with seeds, for fewer tokens and steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from typefold import Logged, Runtime, ask, prompt
from typefold.runtime.engines.vllm.engine import VllmEngine

from .elsewhere import facts_of
from .stopped_early import OBJECTS, TYPES
from .together import Together

pytestmark = pytest.mark.engine


NEWS = [
    f"{who} {what} {where}."
    for who in ("The minister", "A striker", "The bank", "A painter")
    for what in ("praised the match", "sold a chip", "lost an election")
    for where in ("in Oslo", "by the sea", "last night")
]


@pytest.mark.parametrize("hint", OBJECTS, ids=str)
@pytest.mark.parametrize("how", [{"temperature": 0.0}, {"temperature": 1.5, "seed": 7}], ids=["greedy", "seeded"])
def test_an_object_is_that_of_the_full_constraint_though_its_end_is_not_decoded(
    hint: type[Any], how: dict[str, Any], runtime: Runtime, engine: VllmEngine
) -> None:
    prompts = [f"What is this about? {news}" for news in NEWS]
    settled = runtime.generate(prompts, output_type=hint, **how)
    full = Runtime(engine, deduplicate=False, early_stop=False)
    assert full.generate(prompts, output_type=hint, **how) == settled
    saved = full.stats.output_tokens - runtime.stats.output_tokens
    assert saved >= len(NEWS)
    assert len(NEWS) / 2 <= runtime.stats.tokens_saved <= 2 * saved
    full.close()


@pytest.mark.parametrize("hint", TYPES, ids=str)
@pytest.mark.parametrize("how", [{"temperature": 0.0}, {"temperature": 1.5, "seed": 7}], ids=["greedy", "seeded"])
def test_the_value_is_that_of_the_full_constraint(
    hint: type[Any], how: dict[str, Any], runtime: Runtime, engine: VllmEngine, together: Callable[..., Together]
) -> None:
    prompts = [f"What is this about? {news}" for news in NEWS]
    full = Runtime(engine, deduplicate=False, early_stop=False)
    full.generate(prompts[:1], output_type=hint, **how)  # the engine takes steps while it compiles a grammar
    before = full.stats.output_tokens
    long = together(len(NEWS))
    whole = full.generate(prompts, output_type=hint, **how)
    short = together(len(NEWS))
    assert runtime.generate(prompts, output_type=hint, **how) == whole
    assert runtime.stats.output_tokens <= full.stats.output_tokens - before
    assert short.steps <= long.steps
    full.close()


@pytest.mark.prove
def test_of_many_rows_of_all_these_types_each_is_that_of_the_full_constraint(exact: str) -> None:
    facts = facts_of("stopped_early.py", exact, "780")
    print(facts)
    for how in ("greedy", "seeded"):
        assert facts[how]["same"] == facts["rows"] == 780
        assert facts[how]["tokens"] < facts[how]["tokens whole"]


def test_what_is_saved_is_counted(runtime: Runtime, together: Callable[..., Together]) -> None:
    held = together(len(NEWS))
    runtime.generate([f"What is this about? {news}" for news in NEWS], output_type=TYPES[0], temperature=0.0)
    assert runtime.stats.output_tokens == len(NEWS)
    assert held.steps <= 3
    assert runtime.stats.tokens_saved >= len(NEWS)


def test_a_long_beginning_that_all_share_is_not_waited_out(runtime: Runtime, engine: VllmEngine) -> None:
    hint: type[Any] = TYPES[-2]
    prompts = [f"What is this about? {news}" for news in NEWS]
    settled = runtime.generate(prompts, output_type=hint, temperature=0.0)
    full = Runtime(engine, deduplicate=False, early_stop=False)
    assert full.generate(prompts, output_type=hint, temperature=0.0) == settled
    assert runtime.stats.output_tokens <= 0.8 * full.stats.output_tokens
    full.close()


def test_logged_tells_the_whole_text(runtime: Runtime) -> None:
    @prompt(temperature=0.0)
    def topic(text: str) -> Logged[Literal["politics", "sports"]]:
        return ask(text)

    answer = topic("A striker praised the match.")
    assert answer.text == answer.value and answer.finish_reason == "stop" and len(answer.token_ids) == 1
