"""Constraints as they are sent to an engine, and texts that can only be whole answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from typefold.compiler import TEXT, Constraint, TokenBounds, Vocabulary, output_type
from typefold.compiler.grammar import ebnf
from typefold.compiler.grammar.matcher import Matcher
from typefold.compiler.grammar.nodes import ANY, Language, Lit, Ref, Repeat, char_class, choice, optional, seq


class Point(BaseModel):
    x: int
    y: int = 0


@pytest.mark.parametrize(
    ("hint", "whole", "open_"),
    [
        (Literal["keep", "drop"], ["keep", "drop"], ["", "kee"]),
        (Literal["in", "inside"], ["inside"], ["in", "ins"]),
        (Annotated[int, Field(ge=0, le=120)], ["120", "99", "13", "0"], ["1", "11", "9", "12"]),
        (int, ["0"], ["1", "12", "-1"]),
        (Point, ['{"x": 1}', '{"x": 1, "y": 2}'], ["", '{"x": 1', '{"x": 1, "y": 2']),
        (list[int], ["[]", "[1, 2]"], ["[1", "["]),
        (Annotated[str, Field(max_length=3)], ["abc"], ["", "ab"]),
        (Annotated[str, Field(pattern="^[a-z]{2}$")], ["ab"], ["a"]),
        (Annotated[str, Field(pattern="^a+$")], [], ["a", "aa"]),
        (bool | None, ["true", "null"], ["t", "nul"]),
    ],
)
def test_a_text_decides_where_nothing_may_follow_it(hint: Any, whole: list[str], open_: list[str]) -> None:
    constraint = output_type(hint).constraint
    for text in whole:
        assert constraint.is_complete(text), text
    for text in open_:
        assert not constraint.is_complete(text), text


class Deep(BaseModel):
    inner: Deep | None = None
    tags: dict[str, list[int]] = {}


@pytest.mark.parametrize(
    "text",
    [
        '{"inner": {"tags": {"a": [1, 2]',
        '{"inner": {"tags": {"a": [1]}}',
        '{"tags": {"}": [',
        '{"inner": null, "tags": {"]}": ',
    ],
)
def test_a_cut_object_is_judged_without_steps_over_its_text(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's thread judges cut answers, so that the time may not grow with an answer."""
    constraint = output_type(Deep).constraint

    def no_steps(self: Matcher, text: str) -> Matcher:
        raise AssertionError("the matcher stepped over a text that can't be whole")

    monkeypatch.setattr(Matcher, "advance", no_steps)
    assert not constraint.is_complete(text)


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (list[str], '["a", "b'),
        (list[str], '["a", "]'),
        (str | None, '"a text that goes on'),
        (str | None, '"a text that \\"'),
        (dict[str, str], '{"}": "}'),
        (list[int] | Point, '{"x": 1'),
        (list[int] | Point, "[1, 2"),
    ],
)
def test_other_json_that_is_cut_is_judged_without_steps_too(
    hint: Any, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    constraint = output_type(hint).constraint
    with monkeypatch.context() as patch:
        patch.setattr(Matcher, "advance", None)
        assert not constraint.is_complete(text)
    state = Matcher.start(constraint.language).advance(text)  # type: ignore[arg-type]
    assert not state.dead and not state.complete


def test_each_prefix_of_an_object_is_judged_as_the_matcher_judges_it() -> None:
    constraint = output_type(Deep).constraint
    whole = '{"inner": {"inner": null, "tags": {"}": [1, 2], "]\\"}": []}}, "tags": {}}'
    digits = '{"tags": {"a": [1' + "0" * 5_000 + "]}}"  # more digits than int() reads
    assert constraint.is_complete(whole) and constraint.is_complete(digits)
    for end in range(len(whole)):
        assert not constraint.is_complete(whole[:end]), whole[:end]
    assert not constraint.is_complete(whole + "}") and not constraint.is_complete('{"other": 1}')


@pytest.mark.parametrize("text", ["maybe", "keepx", "\ud800"])
def test_a_text_outside_the_language_decides_nothing(text: str) -> None:
    assert not output_type(Literal["keep", "drop"]).constraint.is_complete(text)


def test_free_text_is_always_whole_and_of_what_only_the_engine_reads_nothing_is_known() -> None:
    assert TEXT.is_complete("") and TEXT.is_complete("anything")
    assert not Constraint("grammar", raw='root ::= "a"').is_complete("a")


def test_a_list_of_printable_words_is_sent_as_choices() -> None:
    constraint = Constraint.of(Language(choice("keep", "drop", "say \u00e9")))
    assert constraint.kind == "choice"
    assert constraint.spec == constraint.for_dialect("lark") == ("keep", "drop", "say \u00e9")
    assert Constraint.of(Language(Lit("one"))).spec == ("one",)


@pytest.mark.parametrize(
    "language",
    [
        Language(choice("a", "b\n")),
        Language(choice("a", "")),
        Language(choice("a", seq("b", char_class("cd")))),
        Language(Lit("")),
        Language(choice()),
        Language(Ref("r"), {"r": choice("a", "b")}),
        Language(choice(*map(str, range(1001)))),
    ],
    ids=["not printable", "empty", "no word", "only the empty word", "nothing", "a rule", "many"],
)
def test_what_is_no_short_list_of_printable_words_is_sent_as_a_grammar(language: Language) -> None:
    constraint = Constraint.of(language)
    assert constraint.kind == "grammar"
    assert str(constraint.spec).startswith("root ::= ")


def test_a_thousand_words_are_still_choices() -> None:
    assert Constraint.of(Language(choice(*map(str, range(1000))))).kind == "choice"


def test_each_dialect_is_printed_once_and_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[Language] = []
    real = ebnf.print_ebnf

    def print_ebnf(language: Language) -> str:
        printed.append(language)
        return real(language)

    monkeypatch.setattr(ebnf, "print_ebnf", print_ebnf)
    language = Language(seq("a", optional(Lit("b"))))
    constraint = Constraint.of(language)
    assert not printed
    assert constraint.spec is constraint.spec is constraint.for_dialect("ebnf")
    assert printed == [language]
    assert str(constraint.for_dialect("lark")).count("start:") == 1
    assert printed == [language]


def test_a_raw_text_is_sent_as_it_is_in_every_dialect() -> None:
    raw = Constraint("json", raw='{"type": "integer"}')
    assert raw.spec == raw.for_dialect("lark") == '{"type": "integer"}'
    assert TEXT.spec == ""


def test_token_bounds_are_those_of_the_language_and_open_without_one() -> None:
    vocabulary = Vocabulary(longest=4)
    assert Constraint.of(Language(choice("keep", "dropped"))).token_bounds(vocabulary) == TokenBounds(1, 8)
    assert Constraint.of(Language(Repeat(ANY, 9, None))).token_bounds(vocabulary) == TokenBounds(3, None)
    assert TEXT.token_bounds(vocabulary) == TokenBounds(1, None)
    assert Constraint("grammar", raw="root ::= []").token_bounds(vocabulary) == TokenBounds(1, None)
