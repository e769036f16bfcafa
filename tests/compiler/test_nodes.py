"""The algebra: classes are sets of characters, constructors normalise and keep the language, languages keep what they use."""

# Hypothesis does not tell lambdas what they are given:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from typefold.compiler.grammar.nodes import (
    ANY,
    EMPTY,
    NEVER,
    CharClass,
    Choice,
    Expr,
    Language,
    Lit,
    Ref,
    Repeat,
    Seq,
    char_class,
    children,
    choice,
    flat_rules,
    is_recursive,
    join,
    optional,
    references,
    repeat,
    seq,
)

from .languages import finite, made, texts

LAST = 0x10FFFF
points = st.one_of(st.integers(0, 12), st.integers(0xD7FD, 0xE002), st.integers(LAST - 3, LAST))
ranges = st.lists(st.tuples(points, points).map(lambda pair: (min(pair), max(pair))), max_size=4)
classes = ranges.map(lambda pairs: char_class(*pairs))
NEAR = [*range(14), *range(0xD7FB, 0xE005), *range(LAST - 5, LAST + 1)]


def members(one: CharClass) -> set[int]:
    return {point for point in NEAR if chr(point) in one}


@given(ranges)
def test_a_class_holds_the_characters_of_its_ranges_and_no_surrogate(pairs: list[tuple[int, int]]) -> None:
    wanted = {p for p in NEAR if any(low <= p <= high for low, high in pairs) and not 0xD800 <= p <= 0xDFFF}
    assert members(char_class(*pairs)) == wanted


@given(classes, classes)
def test_classes_are_combined_as_sets_are(one: CharClass, other: CharClass) -> None:
    assert members(one | other) == members(one) | members(other)
    assert members(one & other) == members(one) & members(other)
    assert members(one - other) == members(one) - members(other)
    assert members(~one) == members(ANY) - members(one)


@given(ranges)
def test_a_class_is_one_value_however_it_is_written(pairs: list[tuple[int, int]]) -> None:
    singles = [(point, point) for low, high in pairs for point in range(low, min(high, low + 40) + 1)]
    assert char_class(*pairs, *singles) == char_class(*reversed(pairs))
    kept = char_class(*pairs).ranges
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(kept))


@given(classes)
def test_the_characters_of_a_class_can_be_counted_off(one: CharClass) -> None:
    some = [one.nth(index) for index in range(min(len(one), 50))]
    assert some == sorted(set(some))
    assert all(char in one for char in some)
    assert not len(one) or one.nth(len(one) - 1) == chr(one.ranges[-1][1])
    with pytest.raises(IndexError):
        one.nth(len(one))


def test_a_class_may_be_written_with_strings_and_ranges() -> None:
    assert char_class("ba", (0x63, 0x65)) == CharClass(((0x61, 0x65),)) == char_class("edcba")
    assert len(ANY) == LAST + 1 - 2048


def test_a_sequence_is_flat_with_its_literals_merged_and_nothing_empty_in_it() -> None:
    digit = char_class("0123")
    assert seq("a", seq("b", digit, EMPTY), "", seq("c", "d")) == Seq((Lit("ab"), digit, Lit("cd")))
    assert seq() == seq("", EMPTY) == EMPTY
    assert seq("a", "b") == Lit("ab")
    assert seq(digit) == digit
    assert seq("a", NEVER, digit) == NEVER


def test_a_choice_is_flat_and_has_each_option_once() -> None:
    assert choice("a", choice("b", "a"), "b") == Choice((Lit("a"), Lit("b")))
    assert choice("a", "a") == Lit("a")
    assert choice() == choice(NEVER, NEVER) == NEVER
    assert choice(NEVER, "a") == Lit("a")
    assert optional(Lit("a")) == Choice((Lit("a"), EMPTY))


@pytest.mark.parametrize("count", [15, 16, 17, 40])
def test_a_choice_keeps_the_order_of_its_options_however_many(count: int) -> None:
    options = [Seq((Lit(str(n)), Ref("r"))) for n in range(count)]
    assert choice(*options[::2], *options, *options[::-1]) == Choice((*options[::2], *options[1::2]))


def test_a_repetition_folds_where_it_is_trivial() -> None:
    a = Lit("a")
    assert repeat(a, 1, 1) == a
    assert repeat(a, 0, 0) == EMPTY
    assert repeat(EMPTY, 3, None) == EMPTY
    assert repeat(NEVER, 0, 5) == EMPTY
    assert repeat(NEVER, 1, 5) == NEVER
    assert repeat(a, 3, 2) == NEVER
    assert repeat(a, 0, 1) == Repeat(a, 0, 1)
    assert repeat(a, 2, None) == Repeat(a, 2, None)


def test_parts_are_joined_by_a_separator() -> None:
    assert join(", ", ["a", Ref("b"), "c"]) == Seq((Lit("a, "), Ref("b"), Lit(", c")))
    assert join(", ", []) == EMPTY


@given(finite, finite, st.integers(0, 2), st.integers(0, 2))
@settings(deadline=None)
def test_constructors_keep_the_language(one: Expr, other: Expr, least: int, more: int) -> None:
    pairs: list[tuple[Callable[..., Expr], Callable[..., Expr]]] = [
        (seq, lambda *parts: Seq(parts)),
        (choice, lambda *options: Choice(options)),
    ]
    for constructor, node in pairs:
        assert texts(constructor(one, other, one)) == texts(node(one, other, one))
    assert texts(repeat(one, least, least + more)) == texts(Repeat(one, least, least + more))
    assert texts(optional(one)) == texts(one) | {""}


@given(made)
def test_what_the_constructors_make_is_normal(expr: Expr) -> None:
    check_normal(expr)


def check_normal(expr: Expr) -> None:
    parts = children(expr)
    match expr:
        case Seq():
            assert len(parts) > 1
            assert not any(isinstance(part, Seq) or part in (EMPTY, NEVER) for part in parts)
            assert not any(isinstance(a, Lit) and isinstance(b, Lit) for a, b in pairwise(parts))
        case Choice():
            assert len(parts) != 1 and len(set(parts)) == len(parts)
            assert not any(isinstance(part, Choice) for part in parts)
        case Repeat(item, least, most):
            assert item not in (EMPTY, NEVER) and (least, most) != (1, 1) and most != 0
        case _:
            pass
    for part in parts:
        check_normal(part)


def test_nodes_compare_by_value_and_cannot_be_changed() -> None:
    assert seq("a", Ref("b")) == seq("a", Ref("b")) != seq("a", Ref("c"))
    assert len({seq("a", Ref("b")), seq("a", Ref("b"))}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        Lit("a").text = "b"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_references_come_in_the_order_in_which_they_are_written() -> None:
    expr = seq(Ref("a"), choice(repeat(Ref("b"), 0, 2), seq("x", Ref("c"))), Ref("a"))
    assert list(references(expr)) == ["a", "b", "c", "a"]
    assert list(references(Lit("a"))) == []


def test_a_language_keeps_the_rules_in_use_in_order_of_first_use() -> None:
    rules: dict[str, Expr] = {
        "c": Lit("c"),
        "unused": Ref("c"),
        "a": seq(Ref("b"), Ref("c")),
        "b": choice(Ref("c"), "b"),
    }
    language = Language(Ref("a"), rules)
    assert list(language.rules) == ["a", "b", "c"]
    assert language.uses == {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()}
    assert language == Language(Ref("a"), {name: rules[name] for name in "abc"})
    assert language != Language(Ref("b"), rules)


def test_a_language_without_a_rule_that_it_names_is_an_error() -> None:
    with pytest.raises(KeyError, match="missing"):
        Language(Ref("a"), {"a": Ref("missing")})


@pytest.mark.parametrize(
    ("rules", "recursive"),
    [
        ({"a": Lit("x")}, False),
        ({"a": seq(Ref("b"), Ref("c")), "b": Ref("c"), "c": Lit("x")}, False),
        ({"a": optional(seq("x", Ref("a")))}, True),
        ({"a": seq("x", Ref("b")), "b": choice("y", Ref("a"))}, True),
        ({"a": seq("x", Ref("b")), "b": optional(seq("y", Ref("b")))}, True),
    ],
)
def test_a_language_is_recursive_when_a_rule_leads_back_to_itself(rules: dict[str, Expr], recursive: bool) -> None:
    assert is_recursive(Language(Ref("a"), rules)) is recursive


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=3)))
def test_flat_rules_stand_behind_all_that_they_refer_to(uses: dict[str, list[str]]) -> None:
    rules: dict[str, Expr] = {name: seq("x", *map(Ref, uses.get(name, []))) for name in "abcdef"}
    language = Language(seq(*map(Ref, "abcdef")), rules)
    flat = flat_rules(language)
    seen: set[str] = set()
    for name in flat:
        assert language.uses[name] <= seen
        seen.add(name)

    def loops(name: str, above: tuple[str, ...]) -> bool:
        return name in above or any(loops(inner, (*above, name)) for inner in language.uses[name])

    assert seen == {name for name in "abcdef" if not loops(name, ())}
