"""The promise of a batch on a real engine: one row in, one outcome out, in order, whatever the types and the faults."""

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, Field
from returns.result import Success

from typefold import (
    BatchError,
    Grammar,
    Invalid,
    JsonFormat,
    PromptError,
    PromptTooLong,
    Refused,
    Runtime,
    Truncated,
    ask,
    prompt,
)

pytestmark = pytest.mark.engine


class Character(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    age: Annotated[int, Field(ge=0, le=120)]


@dataclass
class Point:
    x: Annotated[int, Field(ge=-99, le=99)]
    y: Annotated[float, Field(ge=0, le=1)]


class Mood(Enum):
    GRIM = "grim"
    FUNNY = "funny"


Percent = Annotated[int, Field(ge=0, le=99)] | None
Short = Annotated[list[Annotated[str, Field(max_length=8)]], Field(max_length=3)]
KINDS: list[tuple[Any, type | tuple[type, ...]]] = [
    (str, str),
    (Literal["keep", "drop"], str),
    (Character, Character),
    (Point, Point),
    (Mood, Mood),
    (Percent, (int, type(None))),
    (Short, list),
    (tuple[bool, Annotated[float, Field(ge=0, le=9)]], tuple),
]


def _never(value: Character) -> Character:
    raise ValueError("nobody is good enough")


Impossible = Annotated[Character, AfterValidator(_never)]
BadGrammar = Annotated[str, Grammar("root ::= undefined_rule")]


def prompts(count: int) -> list[str]:
    return [f"Answer number {index} about a lighthouse." for index in range(count)]


def limited(index: int) -> Any:
    """Sampling parameters of a row: text is kept short; the others end where their types end."""
    from vllm import SamplingParams

    return SamplingParams(temperature=0.8, seed=index, max_tokens=12 if index % 8 == 0 else 200)


def test_sixty_four_rows_of_eight_types_give_sixty_four_values(runtime: Runtime) -> None:
    rows = range(64)
    values = runtime.generate(
        prompts(64),
        output_type=[KINDS[row % 8][0] for row in rows],
        sampling_params=[limited(row) for row in rows],
    )
    assert len(values) == 64
    for row, value in enumerate(values):
        assert isinstance(value, KINDS[row % 8][1]), (row, value)


def test_four_bad_rows_of_sixty_four_fail_alone_each_in_its_own_way(runtime: Runtime) -> None:
    from vllm import SamplingParams

    asked, kinds = prompts(64), [KINDS[row % 8][0] for row in range(64)]
    parameters = [limited(row) for row in range(64)]
    asked[3] = "word " * 2000
    kinds[18] = Impossible
    kinds[33], parameters[33] = Character, SamplingParams(temperature=0, max_tokens=5)
    kinds[60] = BadGrammar
    with pytest.raises(BatchError) as caught:
        runtime.generate(asked, output_type=kinds, sampling_params=parameters)
    results = caught.value.results
    bad: dict[int, type[PromptError]] = {3: PromptTooLong, 18: Invalid, 33: Truncated, 60: Refused}
    for row, result in enumerate(results):
        if row in bad:
            error = result.failure()
            assert type(error) is bad[row], (row, error)
            assert isinstance(error, PromptError)
            assert error.row == row
        else:
            assert isinstance(result, Success), (row, result)
            assert isinstance(result.unwrap(), KINDS[row % 8][1])
    assert len([result for result in results if isinstance(result, Success)]) == 60


def test_a_map_and_a_composed_program_run_on_a_real_model(runtime: Runtime) -> None:
    @prompt(temperature=0)
    def make(setting: str) -> Character:
        return ask(f"Invent a character from {setting}.")

    @prompt(temperature=0)
    def judge(text: str) -> Literal["keep", "drop"]:
        """Keep or drop?

        {{ text }}"""
        return ask()

    crowd = make.map(["Mars", "Paris", "a farm"])
    assert [type(someone) for someone in crowd] == [Character] * 3
    assert judge(crowd[0].name) in ("keep", "drop")
    assert type(make.using(json_format=JsonFormat.TIGHT)("Mars")) is Character


def test_a_seeded_call_gives_the_same_value_whatever_shares_its_batch(runtime: Runtime) -> None:
    @prompt(temperature=1.5, seed=11)
    def make(setting: str) -> Character:
        return ask(f"Invent a character from {setting}.")

    alone = make("Mars")
    assert make.map(["Venus", "Mars", "Pluto"])[1] == alone
