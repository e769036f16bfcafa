"""Types that grow without measure: refused when they are compiled, at the place where they do; and large ones that work."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal, Union

import pytest
from pydantic import BaseModel, Field, create_model

from typefold import Grammar, OneOf, prompt
from typefold.compiler import UnsupportedType, output_type
from typefold.compiler.grammar.matcher import recognises


def doubled(times: int) -> Any:
    hint: Any = int
    for _ in range(times):
        hint = tuple[hint, hint]
    return hint


def nested(depth: int) -> Any:
    hint: Any = int
    for _ in range(depth):
        hint = list[hint]
    return hint


def fields(count: int, default: Any = ...) -> Any:
    made: dict[str, Any] = {f"f{number}": (int, default) for number in range(count)}
    return create_model("Wide", **made)


def pattern(text: str) -> Any:
    return Annotated[str, Field(pattern=text)]


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (doubled(40), "return: tuple is made of more than 20,000 parts; give types that occur repeatedly a name"),
        (nested(10_000), "return: list is nested deeper than 64 levels"),
        (create_model("Holder", a=(doubled(15), ...)), r"return\.a\[0\].* is part 20,001 of its type"),
        (fields(20_001), r"return\.f19999: int is part 20,001 of its type"),
        (pattern("^(a{1,1000}){1,1000}$"), "Compiled regex exceeds size limit"),
        (pattern("^((a{1,100}){1,100}){1,100}$"), "Compiled regex exceeds size limit"),
        (pattern(".{1000000}"), "Compiled regex exceeds size limit"),
        (Annotated[str, Grammar("root ::= " + '"a" | ' * 300_000 + '"b"')], r"has a Grammar of 1,800,\d+ characters"),
    ],
    ids=["doubled", "deep", "doubled inside", "fields", "counts", "nested counts", "long", "grammar"],
)  # fmt: skip
def test_what_grows_without_measure_is_refused_at_its_place(hint: Any, message: str) -> None:
    with pytest.raises(UnsupportedType, match=message):
        output_type(hint)

    def function() -> None: ...

    function.__annotations__["return"] = hint
    with pytest.raises(UnsupportedType, match="function: return"):
        prompt(function)


@pytest.mark.parametrize(
    "text", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "^(.*)*$"]
)
def test_a_pattern_that_makes_other_matchers_backtrack_is_no_matter(text: str) -> None:
    kind: Any = output_type(pattern(text))
    assert len(kind.constraint.spec) < 10_000
    language = kind.constraint.language
    assert not recognises(language, "\n" + "a" * 3000 + "!") or text.startswith("(")
    with pytest.raises(ValueError):  # of the decoder, in its own words
        kind.decode("\n" * 2 + "a" * 5000 + "!")


@pytest.mark.parametrize(
    "hint",
    [
        fields(10_000),
        fields(10_000, 0),
        doubled(10),
        Annotated[list[int], Field(max_length=10**9)],
        nested(60),
        Union[tuple(create_model(f"M{number}", a=(int, 0)) for number in range(1_000))],  # noqa: UP007  # made at run time
    ],
)
def test_what_is_only_large_is_compiled(hint: Any) -> None:
    kind: Any = output_type(hint)
    assert kind.constraint.spec


def test_a_choice_of_a_hundred_thousand_works() -> None:
    names = [f"label {number}" for number in range(100_000)]
    hints: list[Any] = [
        Annotated[str, OneOf(names)],
        Literal[tuple(names)],
        Enum("Label", {name: name for name in names}),
    ]
    for hint in hints:
        kind: Any = output_type(hint)
        assert len(kind.constraint.spec) < 2_000_000
        value = kind.decode("label 99999")
        assert kind.encode(value) == "label 99999"
        with pytest.raises(ValueError, match=r"label 100000|Input should be"):
            kind.decode("label 100000")


def test_a_model_of_a_large_choice_is_compiled_too() -> None:
    class Holder(BaseModel):
        name: Annotated[str, OneOf([f"label {number}" for number in range(20_000)])]

    assert output_type(Holder).decode('{"name": "label 7"}').name == "label 7"
