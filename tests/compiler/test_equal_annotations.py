"""A type that was compiled once is found again, and never another's in its place."""
# Types made at run time:
# mypy: disable-error-code="valid-type, arg-type"
# pyright: reportInvalidTypeForm=false, reportArgumentType=false

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, GroupedMetadata

from typefold.compiler import JsonFormat, output_type
from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import Lit
from typefold.compiler.registry import Registry, default_registry


class Thing:
    pass


def test_an_annotation_and_an_equal_one_are_compiled_once() -> None:
    hint = Annotated[int, Ge(3)]
    assert output_type(hint) is output_type(hint) is output_type(Annotated[int, Ge(3)])
    assert output_type(hint) is not output_type(hint, json_format=JsonFormat.COMPACT)
    assert output_type(hint) is not output_type(hint, path="elsewhere")


def test_types_in_the_places_of_others_are_not_taken_for_these() -> None:
    """A literal that is gone leaves its id to a later one."""
    for number in range(400):
        hint: Any = Literal[f"text {number}"]
        for _ in range(2):
            assert output_type(hint).constraint.spec == get_args(hint)
        del hint
        if number % 50 == 0:
            gc.collect()


def test_equal_literals_of_two_types_are_kept_apart() -> None:
    for _ in range(2):
        assert output_type(Literal[1]).constraint.spec == ("1",)
        assert output_type(Literal[True]).constraint.spec == ("true",)


@dataclass
class Least(GroupedMetadata):
    """A limit with no hash, which may be set later."""

    value: int

    def __iter__(self) -> Iterator[object]:
        yield Ge(self.value)


def test_what_may_change_is_compiled_as_it_is_now() -> None:
    least = Least(3)
    hint = Annotated[int, least]
    for value in (3, 5, 3):
        least.value = value
        assert "return: ge=" + str(value) in output_type(hint).enforced


def test_a_hook_that_is_registered_later_counts() -> None:
    registry = Registry(parent=default_registry)
    hint = Literal["x"]
    before = output_type(hint, registry=registry)
    assert output_type(hint, registry=registry) is before

    @registry.hook(Thing)
    def thing_codec(hint: Any, context: Context) -> Codec[Thing]:
        return Codec(Lit("thing"), {}, lambda _: "thing", lambda _: Thing(), lambda _: True, native=False)

    assert output_type(hint, registry=registry) is not before
    assert output_type(Thing, registry=registry).constraint.spec == ("thing",)
