"""Searches on a real engine: instructions that the model itself proposes."""

import pytest

from examples.optimization import cases, route
from typefold import Runtime, optimize, optimized
from typefold.optimization import Round

pytestmark = pytest.mark.engine


def test_the_model_proposes_instructions_and_they_are_tried(runtime: Runtime) -> None:
    rounds: list[Round] = []
    before = runtime.stats.failed
    found = optimize(
        route, cases(60, seed=3), budget=150, instructions=3, max_examples=2, candidates=6, on_round=rounds.append
    )
    tried = {words for words, _ in rounds[0].scores}
    assert any(words.startswith("instructions") for words in tried), tried
    assert runtime.stats.failed == before
    assert found.tokens > 0
    assert found.validation.before.accuracy.rows == found.validation.after.accuracy.rows
    for revision in found.prompts.prompts:
        if revision.instructions is not None:
            assert revision.instructions.replaces == "Which team is this ticket for?"
    again = optimized(route, found.prompts)
    assert again("Hello, my card was charged twice.") in {"billing", "delivery", "technical"}
