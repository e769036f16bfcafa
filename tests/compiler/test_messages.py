"""The printed forms of output types, and the names of types in errors."""

# Types made at run time, which pyright does not follow:
# pyright: reportUnknownLambdaType=false, reportGeneralTypeIssues=false, reportInvalidTypeForm=false
# ruff: noqa: UP045  # Optional, as older code has it, and as pyright takes it around Annotated
from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Optional, TypeVar

import pytest
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, conint

from typefold.compiler import (
    Codec,
    OneOf,
    Registry,
    default_registry,
    output_type,
)
from typefold.compiler.context import Context
from typefold.compiler.errors import describe
from typefold.compiler.grammar.nodes import Lit

T = TypeVar("T")
UserId = NewType("UserId", int)


class Mood(Enum):
    GRIM = "grim"


class Person(BaseModel):
    name: str


class Place(BaseModel):
    name: str
    people: Annotated[list[Person], Field(max_length=3)] = []


class Thing:
    pass


@pytest.mark.parametrize(
    ("hint", "name"),
    [
        (list[Person], "list[Person]"),
        (dict[str, tuple[Person, ...]], "dict[str, tuple[Person, ...]]"),
        (Optional[Person], "Person | None"),
        (Optional[Annotated[int, Field(ge=0, le=9)]], "Annotated[int, ge=0, le=9] | None"),
        (Annotated[str, StringConstraints(max_length=3)], "Annotated[str, max_length=3]"),
        (Annotated[str, OneOf(str(number) for number in range(1000))], "Annotated[str, OneOf(['0', '1', '2', ...])]"),
        (Annotated[list[int], AfterValidator(sorted)], "Annotated[list[int], validator sorted]"),
        (conint(gt=3), "Annotated[int, gt=3]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Literal[Mood.GRIM], "Literal[Mood.GRIM]"),
        (Callable[[int], Person], "Callable[[int], Person]"),
        (UserId, "UserId"),
        (list[T], "list[T]"),  # type: ignore[valid-type]  # a type variable of nothing
        (None, "None"),
    ],
)
def test_a_type_is_named_as_its_author_would_write_it(hint: Any, name: str) -> None:
    assert describe(hint) == name


def test_a_place_in_a_union_is_named_by_its_limits() -> None:
    kind = output_type(Optional[Annotated[int, Field(ge=0)]])
    assert kind.reader_limits == ("return|Annotated[int, ge=0]: no more than 4300 digits",)


def test_each_limit_is_enforced_or_checked_after() -> None:
    kind = output_type(Annotated[set[Annotated[int, Field(ge=0, lt=10, multiple_of=2)]], Field(min_length=2)])
    assert kind.enforced == ("return[]: ge=0", "return[]: lt=10")
    assert kind.post_checks == ("return[]: multiple_of=2", "return: min_length=2")
    assert output_type(Annotated[str, Field(max_length=40)]).enforced == ("return: max_length=40",)
    assert output_type(Annotated[str, Field(max_length=4000)]).enforced == ()
    assert output_type(Place).enforced == ("return.people: max_length=3",)


def test_a_limit_before_a_validator_is_checked_after() -> None:
    kind = output_type(Annotated[str, Field(max_length=4), AfterValidator(str.strip)])
    assert kind.enforced == ()
    assert kind.post_checks == ("return: max_length=4", "return: validator str.strip")


def test_a_note_is_the_same_in_every_process() -> None:
    code = """
from datetime import date
from typefold.compiler import output_type
print(output_type(date | str).shared_texts)
"""
    notes = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(notes) == 1
    assert "is date and str" in notes.pop()


def test_a_registry_never_gets_what_another_compiled() -> None:
    """A registry that is gone leaves its id to a later one."""
    gc.freeze()  # what is there already: each collection is of what is made here
    for number in range(30):
        registry = Registry(parent=default_registry)

        @registry.hook(Thing)
        def thing_codec(hint: Any, context: Context, text: str = str(number)) -> Codec[Thing]:
            return Codec(Lit(text), {}, lambda _: text, lambda _: Thing(), lambda _: True, native=False)

        assert output_type(Thing, registry=registry).constraint.spec == (str(number),)
        del registry, thing_codec
        gc.collect()
    gc.unfreeze()
