"""Settled answers of many types beside whole ones, on a model in float32.

python settled.py MODEL ROWS; facts come back as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from typefold import OneOf, Runtime
from typefold.runtime.engines.vllm.engine import load


class Mood(Enum):
    GLAD = "glad"
    GLOOMY = "gloomy"
    ANGRY = "angry"


TYPES: list[Any] = [
    Literal["politics", "sports", "business", "technology", "arts"],
    Literal["sports", "spring", "science", "society"],
    Annotated[str, OneOf(["label 1", "label 2", "label 12", "label 21"])],
    Annotated[int, Field(ge=0, le=120)],
    Mood,
    bool,
    Literal["übel", "öde", "gut", "güte"],
    Literal["🦊", "🦉", "fox"],
    Literal["the category is politics and society", "the category is sports and leisure", "the category is business"],
    Annotated[str, OneOf(["a b c", "b c d", "c d a b x", "c d a b y"])],
]


class Judgement(BaseModel):
    reason: Annotated[str, Field(max_length=60)]
    label: Literal["politics", "sports", "spring", "society"]


class Checked(BaseModel):
    words: Annotated[list[Annotated[str, Field(max_length=12)]], Field(max_length=3)]
    judgement: Judgement


class Rated(BaseModel):
    who: Annotated[str, Field(max_length=20)]
    rate: Annotated[int, Field(ge=1, le=10)]


OBJECTS: list[Any] = [Judgement, Checked, Rated]
_SEEDED = {"temperature": 1.5, "seed": 7}


def rows(hints: list[Any], number: int) -> Iterator[tuple[str, Any]]:
    """So many different questions, each with one of the types."""
    for row in range(number):
        yield (
            f"What is this about? Text {row}: {'a striker' if row % 3 else 'the bank'} met {row % 7} friends.",
            hints[row % len(hints)],
        )


def main(model: str, number: int) -> None:
    asked = list(rows([*TYPES, *OBJECTS], number))
    prompts, hints = [text for text, _ in asked], [hint for _, hint in asked]
    engine = load(model, dtype="float32", max_model_len=512)
    runtimes = [Runtime(engine, deduplicate=False, early_stop=early_stop) for early_stop in (True, False)]
    facts: dict[str, Any] = {"rows": number}
    for name, how in {"greedy": {"temperature": 0.0}, "seeded": _SEEDED}.items():
        found: list[list[Any]] = []
        tokens: list[int] = []
        for runtime in runtimes:
            before = runtime.stats.output_tokens
            generate: Any = runtime.generate  # of a list of types that only this program knows
            found.append(generate(prompts, output_type=hints, max_tokens=200, **how))
            tokens.append(runtime.stats.output_tokens - before)
        facts[name] = {
            "same": sum(one == other for one, other in zip(*found, strict=True)),
            "tokens": tokens[0],
            "tokens whole": tokens[1],
        }
    for runtime in runtimes:
        runtime.close()
    print("FACTS " + json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
