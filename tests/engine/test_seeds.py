"""`Runtime(seed=...)` on a real engine: a sampled run repeats, whatever its batches are."""

import pytest

from typefold import Runtime, ask, prompt, run
from typefold.runtime.engines.vllm.engine import VllmEngine

pytestmark = pytest.mark.engine


@prompt(temperature=1.0, max_tokens=8)
def name(thing: str) -> str:
    return ask(f"Name {thing}.")


def twice(thing: str) -> tuple[str, str]:
    return name(thing), name(thing)


def test_a_sampled_run_repeats_in_batches_of_any_size(engine: VllmEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "close", lambda: None)
    things = ["a cat", "a cat", "an oak", "salt"]

    def done(seed: int, max_rows_in_flight: int) -> list[tuple[str, str]]:
        with Runtime(engine, seed=seed, deduplicate=False):
            return run(twice, things, max_rows_in_flight=max_rows_in_flight)

    first = done(1, 1)
    assert first == done(1, 1)
    assert first == done(1, 4)
    assert first != done(2, 1)
    assert len({text for row in first for text in row}) > 4  # equal rows and calls are drawn apart
