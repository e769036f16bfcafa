"""Text by a regular expression, and out of a list."""

# Types made at run time, and lambdas in Hypothesis, which pyright does not follow:
# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportGeneralTypeIssues=false, reportInvalidTypeForm=false
# pyright: reportArgumentType=false, reportInvalidTypeArguments=false, reportOperatorIssue=false
# pyright: reportUntypedNamedTuple=false

# Types made at run time, which mypy does not follow:
# mypy: disable-error-code="misc, arg-type, unused-ignore"

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from typefold.compiler import UnsupportedType, output_type
from typefold.compiler.types.strings import Grammar, Matching, OneOf

Plate = Annotated[str, Matching(r"[A-Z]{3}-[0-9]{2,4}")]


def test_a_match_is_bare_at_the_root_and_a_string_inside(prove: Any) -> None:
    assert output_type(Plate).is_bare
    assert output_type(Plate).post_checks == ()
    prove(Plate, ["ABC-12", "XYZ-1234"])
    prove(list[Plate], [["ABC-12"], []])


def test_a_pattern_matches_as_a_whole(admits: Any) -> None:
    either = Annotated[str, Matching("ab|c+")]
    assert [text for text in ("ab", "c", "ccc", "abc", "xab", "") if admits(either, text)] == ["ab", "c", "ccc"]
    assert admits(Annotated[str, Matching("^ab$")], "ab")
    assert not admits(Annotated[str, Matching("ab$")], "ab\n")


def test_brackets_are_the_same_at_run_time() -> None:
    assert Matching["[a-c]+"] == Annotated[str, Matching("[a-c]+")]


def test_a_pattern_that_no_grammar_says_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedType, match=r"^return\[\]: str has a pattern .* backreferences are not supported"):
        output_type(list[Annotated[str, Matching(r"(a)\1")]])
    with pytest.raises(UnsupportedType, match="pattern, which does not apply"):
        output_type(Annotated[int, Matching("[0-9]+")])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, unique=True))
@settings(max_examples=60, deadline=None)
def test_every_name_of_a_list_comes_back_and_no_other_is_admitted(prove: Any, admits: Any, names: list[str]) -> None:
    prove(Annotated[str, OneOf(names)], names)
    prove(list[Annotated[str, OneOf(names)]], [names])
    assert not admits(Annotated[str, OneOf(names)], "".join(names) + "!")


def test_a_name_can_be_a_key_and_a_member_of_a_union(prove: Any) -> None:
    city = Annotated[str, OneOf(["Oslo", "Rome"])]
    prove(dict[city, int], [{"Oslo": 1}])
    prove(city | int | None, ["Oslo", 3, None])


def test_a_model_checks_both_in_its_own_constructor(prove: Any) -> None:
    class Trip(BaseModel):
        to: Annotated[str, OneOf(["Oslo", "Rome"])]
        car: Plate

    prove(Trip, [Trip(to="Oslo", car="ABC-12")])
    with pytest.raises(ValidationError, match="'Bonn' is none of the 2 names"):
        Trip(to="Bonn", car="ABC-12")
    with pytest.raises(ValidationError, match="should match pattern"):
        Trip(to="Oslo", car="ABC")


@pytest.mark.timeout(120)  # half a second here; quadratic code takes many minutes
def test_thousands_of_names_compile_fast() -> None:
    names = [f"name {number} of many" for number in range(10_000)]
    kind = output_type(list[Annotated[str, OneOf(names)]])
    assert kind.constraint.spec
    assert kind.decode('["name 9999 of many"]') == ["name 9999 of many"]
    assert kind.shape == "[string (one of 10000 names), ...]"


def test_lists_that_differ_are_different_types() -> None:
    one, other = Annotated[str, OneOf(["a", "b", "c", "d"])], Annotated[str, OneOf(["a", "b", "c", "e"])]
    assert output_type(one) is not output_type(other)
    assert output_type(one) is output_type(Annotated[str, OneOf("abcd"[n] for n in range(4))])


def test_what_is_not_of_the_list_is_not_written() -> None:
    with pytest.raises(ValueError, match="'c' is none of the 2 names"):
        output_type(Annotated[str, OneOf(["a", "b"])]).encode("c")


def test_a_list_that_is_none_is_refused() -> None:
    with pytest.raises(UnsupportedType, match="has an empty OneOf"):
        output_type(Annotated[str, OneOf([])])
    with pytest.raises(UnsupportedType, match=r"which is no text"):
        output_type(Annotated[str, OneOf(["\ud800"])])
    with pytest.raises(UnsupportedType, match="one_of, which does not apply"):
        output_type(Annotated[int, OneOf(["a"])])
    with pytest.raises(TypeError, match=r"write OneOf\(\['abc'\]\)"):
        OneOf("abc")


def test_other_limits_beside_a_list_are_checked_after() -> None:
    kind = output_type(Annotated[str, OneOf(["a", "bb"]), Field(max_length=1)])
    assert kind.post_checks == ("return: max_length=1",)


def test_a_grammar_is_sent_as_it_stands_and_only_for_a_whole_type() -> None:
    kind = output_type(Annotated[str, Grammar('root ::= "yes" | "no"')])
    assert (kind.constraint.kind, kind.constraint.spec) == ("grammar", 'root ::= "yes" | "no"')
    assert kind.post_checks == ("return: the engine alone reads the grammar",)
    assert kind.decode("yes") == kind.encode("yes") == "yes"
    for wrong in (
        list[Annotated[str, Grammar("x")]],
        Annotated[str, Grammar("x")] | None,
        Annotated[str, Grammar(" ")],
    ):
        with pytest.raises(UnsupportedType, match="Grammar"):
            output_type(wrong)
