"""A forecast of real answers: counts are the engine's own, whether it counts itself or its tokenizer alone does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from typefold import Runtime, ask, forecast, prompt, run

MUCH = "much " * 1100


class Animal(BaseModel):
    name: Annotated[str, Field(max_length=8)]
    wild: bool


@prompt(temperature=0)
def kind(thing: str) -> Literal["animal", "plant"]:
    return ask(f"Is {thing} an animal or a plant?")


@prompt(temperature=0, max_tokens=40)
def animal(thing: str) -> Animal:
    return ask(f"Describe an animal that eats a {thing}.")


def program(thing: str) -> Animal | None:
    return animal(thing) if kind(thing) == "animal" else None


THINGS = [f"{size} {thing}" for size in ("small", "very large", "red") for thing in ("oak", "fox", "leaf", "whale")]


def test_counts_are_those_of_the_engine(runtime: Runtime) -> None:
    before = runtime.stats
    found = forecast(program, THINGS)
    after = runtime.stats
    assert float(found.prompt_tokens) == after.prompt_tokens - before.prompt_tokens
    assert float(found.output_tokens) == after.output_tokens - before.output_tokens
    assert not found.failures
    run(program, THINGS)
    assert float(found.prompt_tokens) == runtime.stats.prompt_tokens - after.prompt_tokens


def test_prompts_are_counted_without_being_asked_by_the_engine_and_by_its_tokenizer(
    runtime: Runtime, exact: str
) -> None:
    rows = [*THINGS, MUCH]
    sampled = forecast(animal, rows, sample=2)
    assert sampled.checked == len(rows)
    assert [(each.row, each.error) for each in sampled.misfits] == [(len(THINGS), "PromptTooLong")]
    with Runtime(exact, max_model_len=1024) as other:
        alone = forecast(animal.using(runtime=other), rows, sample=0)
        assert not other.loaded
    before = runtime.stats
    asked = forecast(animal, THINGS)
    tokens = runtime.stats.prompt_tokens - before.prompt_tokens
    assert [float(each.prompt_tokens) for each in (sampled, alone, asked)] == [tokens] * 3
    assert alone.misfits == sampled.misfits
    assert alone.output_tokens.low <= asked.output_tokens <= alone.output_tokens.high
