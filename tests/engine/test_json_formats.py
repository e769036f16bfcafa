"""The compact format on a real model: hot answers are values, and a function is compared on labelled rows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from returns.result import Success

from benchmarks.format_trials import advice, compare
from tests.catalogue import ENTRIES
from typefold import DecodeError, Invalid, JsonFormat, Runtime, Truncated, ask, output_type, prompt
from typefold.programs.run import run
from typefold.testing.laws import failed_checks

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore:.*ReadOnly")]

SOURCES = ("Character", "Film", "Ship", 'Annotated[Circle | Square, Field(discriminator="kind")]', "Tree")
KINDS = [output_type(entry.hint, json_format="compact") for entry in ENTRIES if entry.source in SOURCES]


def test_hot_answers_in_the_compact_format_are_values_or_fail_a_named_check(runtime: Runtime) -> None:
    assert len(KINDS) == len(SOURCES)

    def ask_for(kind: Any) -> Any:
        hint: type[Any] = kind.hint
        return runtime.generate(
            f"Make one up. {kind.shape}",
            output_type=hint,
            json_format="compact",
            temperature=1.2,
            seed=3,
            max_tokens=96,
        )

    for kind, result in zip(KINDS * 4, run.safe(ask_for, KINDS * 4), strict=True):
        if isinstance(result, Success):
            assert kind.decode(kind.encode(result.unwrap())) == result.unwrap()
            continue
        error = result.failure()
        if not isinstance(error, Truncated):
            assert isinstance(error, Invalid), error
            with pytest.raises(DecodeError) as caught:
                kind.decode(error.text)
            assert failed_checks(kind, caught.value), error


class Person(BaseModel):
    age: Annotated[int, Field(ge=0, le=99)]
    city: Literal["Oslo", "Lima"]


def test_json_formats_are_compared_on_labelled_rows(runtime: Runtime) -> None:
    @prompt(temperature=0, max_tokens=48, runtime=runtime)
    def read(text: str) -> Person:
        return ask(f"Give the age and the city in this text. {text}")

    rows = [(f"Ann is {age} and lives in {city}.", Person(age=age, city=city)) for age in (31, 47) for city in CITIES]
    programs = {json_format.value: _on_texts(read.using(json_format=json_format)) for json_format in JsonFormat}
    trials = compare(programs, rows, lambda row, value: bool(value == row[1]), runtime)
    spaced, _, compact = trials
    assert [each.failed for each in trials] == [0, 0, 0]
    assert 0 < compact.output_tokens < spaced.output_tokens and compact.prompt_tokens < spaced.prompt_tokens
    assert advice(trials)


CITIES: tuple[Literal["Oslo", "Lima"], ...] = ("Oslo", "Lima")


def _on_texts(function: Any) -> Any:
    def call(row: tuple[str, Person]) -> Any:
        return function(row[0])

    return call
