"""The test of the tests: `check_laws` finds each hook that breaks a law, and says what broke."""

# Hooks are broken on purpose here, by lambdas:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from typefold.compiler import Codec, Registry, default_registry, output_type
from typefold.compiler.constraint import Constraint
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import json_string
from typefold.compiler.grammar.nodes import ANY, CharClass, char_class, choice, optional, repeat, seq
from typefold.testing.laws import check_laws

DIGIT = char_class((0x30, 0x39))
TEXT = json_string(repeat(ANY, 0, None))
NOT_SO_PLAIN: CharClass = ~char_class('"')

Break = Callable[[Codec[Any]], Codec[Any]]

BROKEN: dict[str, tuple[Any, Break, list[Any], str]] = {
    "a number that admits leading zeros": (
        int,
        lambda codec: replace(codec, expr=seq(optional(seq("-")), repeat(DIGIT, 1, None))),
        [0, 7, -7],
        "fails no named post-check",
    ),
    "a number that leaves the minus sign out": (
        int,
        lambda codec: replace(codec, expr=seq(choice("0", seq(char_class((0x31, 0x39)), repeat(DIGIT, 0, None))))),
        [0, -7],
        "which is not admitted",
    ),
    "a text that is written with more escapes than it admits": (
        str,
        lambda codec: replace(codec, to_json=lambda value: value.replace("/", "\\/"), bare=None),
        ["a/b"],
        "comes back as",
    ),
    "a text that admits raw control characters": (
        str,
        lambda codec: replace(codec, expr=seq('"', repeat(NOT_SO_PLAIN, 0, None), '"'), bare=None),
        [""],
        "fails no named post-check",
    ),
    "a truth value that is read as a number": (
        bool,
        lambda codec: replace(codec, native=False, from_json=int),
        [True],
        "comes back as 1",
    ),
    "a decimal that admits a bare point": (
        float,
        lambda codec: replace(codec, expr=choice("1.", "1.5")),
        [1.5],
        "fails no named post-check",
    ),
    "a list that takes any spacing": (
        list[bool],
        lambda codec: replace(codec, expr=choice("[]", "[true]", "[true,true]"), from_json=tuple, native=False),
        [[True]],
        "comes back as",
    ),
}


def broken(hint: Any, damage: Break) -> Any:
    registry = Registry(parent=default_registry)
    original = default_registry.find(hint)
    assert original is not None

    @registry.hook(getattr(hint, "__origin__", hint))
    def hook(hint: Any, context: Context) -> Codec[Any]:
        return damage(original(hint, context))

    return output_type(hint, registry=registry)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_hook_is_caught(name: str) -> None:
    hint, damage, values, message = BROKEN[name]
    with pytest.raises(AssertionError, match=message):
        check_laws(broken(hint, damage), values, samples=200, misses=50, seed=1)


@pytest.mark.parametrize("hint, values", [(int, [0, 7]), (str, ["a/b"]), (bool, [True]), (float, [1.5])])
def test_unbroken_hook_passes(hint: Any, values: list[Any]) -> None:
    assert check_laws(broken(hint, lambda codec: codec), values).values == len(values)


def test_matcher_of_another_language_is_caught() -> None:
    class Everything:
        def admits(self, text: str) -> bool:
            return True

    class Nothing:
        def admits(self, text: str) -> bool:
            return False

    with pytest.raises(AssertionError, match="fails no named post-check"):
        check_laws(output_type(list[int]), [[1, 2]], matcher=Everything(), misses=50)
    with pytest.raises(AssertionError, match="which is not admitted"):
        check_laws(output_type(list[int]), [[1, 2]], matcher=Nothing())


def test_value_that_pydantic_loses_is_counted_and_left_out() -> None:
    assert check_laws(output_type(float | None), [float("nan")], samples=0).lost == 1


def test_raw_constraint_has_no_recogniser_and_admits_all() -> None:
    from typefold.testing.laws import Recogniser

    assert Recogniser.of(Constraint("grammar", raw="root ::= [a]")).admits("b")
