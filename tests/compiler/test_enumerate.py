"""The texts of a small language, written out."""

from __future__ import annotations

from typing import Any

import pytest

from typefold.compiler import output_type
from typefold.compiler.grammar.enumerate import enumerate_texts
from typefold.compiler.grammar.matcher import recognises
from typefold.compiler.grammar.nodes import EMPTY, Language, Lit, Ref, char_class, choice, optional, repeat, seq


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (Language(Lit("a")), ("a",)),
        (Language(EMPTY), ("",)),
        (Language(choice("b", "a", "b")), ("b", "a")),
        (Language(seq(char_class("ab"), optional(Lit("c")))), ("ac", "a", "bc", "b")),
        (Language(repeat(char_class("01"), 1, 2)), ("0", "1", "00", "01", "10", "11")),
        (Language(Ref("x"), {"x": choice("1", "2")}), ("1", "2")),
        (Language(choice("aa", seq("a", "a"))), ("aa",)),
    ],
)
def test_every_text_is_there_once_and_in_order(language: Language, texts: tuple[str, ...]) -> None:
    assert enumerate_texts(language, 10) == texts
    assert all(recognises(language, text) for text in texts)


@pytest.mark.parametrize(
    "language",
    [
        Language(char_class("abcdefghijk")),
        Language(repeat(Lit("a"), 0, None)),
        Language(repeat(Lit("a"), 0, 50)),
        Language(seq(char_class("abcd"), char_class("abcd"))),
        Language(Ref("x"), {"x": choice("a", seq("b", Ref("x")))}),
    ],
)
def test_more_than_were_asked_for_are_none(language: Language) -> None:
    assert enumerate_texts(language, 10) is None


@pytest.mark.parametrize("hint", [int, str, float, list[bool], dict[str, int], object])
def test_types_without_end_give_up_soon(hint: Any) -> None:
    language = output_type(hint if hint is not object else list[Any]).constraint.language
    assert language is None or enumerate_texts(language, 1000) is None
