"""An explanation says what is so: of every documented type, and in every dress."""

# Tests look inside:
# pyright: reportPrivateUsage=false
from __future__ import annotations

import dataclasses
import io
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, EmailStr, Field
from rich.console import Console

from tests.catalogue import ENTRIES, Entry
from typefold.compiler import Grammar, OneOf, OutputType, TokenBounds, Vocabulary, output_type

pytestmark = pytest.mark.filterwarnings("ignore:.*ReadOnly")  # pydantic's, which does not hinder a change


class Address(BaseModel):
    street: str
    zip: Annotated[str, Field(pattern=r"^[0-9]{5}$")]


class Person(BaseModel):
    name: Annotated[str, Field(max_length=20)]
    email: EmailStr
    home: Address
    work: Address | None = None
    marks: Annotated[list[Annotated[int, Field(ge=0, le=9)]], Field(max_length=3)]


class Tree(BaseModel):
    label: Literal["a", "b"]
    children: list[Tree] = []


PERSON = """\
Person
  answer         JSON: {"name": string (at most 20 characters), "email": string (email), "home": address, \
"work": address or null (optional), "marks": [integer from 0 to 9, ...] (at most 3 items)}
                 where
                 address: {"street": string, "zip": string matching ^[0-9]{5}$}
  constraint     grammar
  enforced       the form
                 .name: max_length=20
                 .home.zip: pattern='^[0-9]{5}$'
                 .marks[]: ge=0, le=9
                 .marks: max_length=3
  checked after  .email: a valid email address"""


def test_it_is_printed_by_sections() -> None:
    kind = output_type(Person)
    text = str(kind.explain())
    assert text.startswith(PERSON)
    assert "\n  length         " in text and "\n\nroot ::= person\n" in text


def test_what_may_grow_without_end_is_named_by_place_and_a_named_type_once() -> None:
    street = "return.home.street: any number of characters"
    assert [note for note in output_type(Person).explain().unbounded if "street" in note] == [street]
    assert output_type(Tree).explain().unbounded == (
        "return: may contain itself without end",
        "return.children: any number of items",
    )
    assert output_type(dict[int, str] | None).explain().unbounded == (
        "return|dict[int, str]: any number of keys",
        "return|dict[int, str].keys(): any number of digits",
        "return|dict[int, str][...]: any number of characters",
    )


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_a_type_is_unbounded_if_and_only_if_a_part_is_named(entry: Entry) -> None:
    kind: OutputType[Any] = output_type(entry.hint)
    said = kind.explain(Vocabulary(longest=1))
    assert said.tokens is not None
    assert (said.most_bytes is None) == (said.tokens.most is None) == bool(said.unbounded)
    assert all(note.startswith("return") for note in (*said.unbounded, *said.enforced, *said.post_checks))
    length = len(kind.encode(entry.sample).encode())
    assert said.least_bytes <= length and (said.most_bytes is None or length <= said.most_bytes)


def test_tokens_are_bounded_where_a_vocabulary_is_at_hand() -> None:
    kind = output_type(Literal["keep", "drop"])
    assert kind.explain().tokens is None
    assert kind.explain(Vocabulary(longest=4)).tokens == TokenBounds(1, 5)
    assert "  length         4 bytes; 1 to 5 tokens\n" in str(kind.explain(Vocabulary(longest=4)))


def test_it_is_data() -> None:
    said = output_type(Literal["keep", "drop"]).explain()
    facts = dataclasses.asdict(said)
    assert facts["grammar"] == ("keep", "drop") and facts["kind"] == "choice" and facts["is_bare"]
    assert facts["json_schema"] == {"type": "string", "enum": ["keep", "drop"]}
    assert said == output_type(Literal["keep", "drop"]).explain()


def test_free_text_and_raw_grammars_say_that_nothing_of_ours_is_enforced() -> None:
    assert "  enforced       nothing: any text\n" in str(output_type(str).explain())
    raw = output_type(Annotated[str, Grammar('root ::= "yes"')]).explain()
    assert raw.unbounded == ("return: as the engine reads the grammar",)
    assert str(raw).endswith('\n\nroot ::= "yes"')


def test_long_grammars_and_choices_are_cut_in_print_and_whole_as_data() -> None:
    many = output_type(Annotated[str, OneOf(f"name {n}" for n in range(500))]).explain()
    assert "choice of 500" in str(many) and len(str(many)) < 1_000 and len(many.grammar) == 500
    long = output_type(Annotated[str, Field(max_length=200)]).explain()
    assert "lines more" in str(long) and isinstance(long.grammar, str) and long.grammar.count("\n") > 200


def test_rich_and_notebooks_show_the_same_sections() -> None:
    said = output_type(Person).explain()
    screen = io.StringIO()
    Console(file=screen, width=200, color_system=None).print(said)
    page = said._repr_html_()
    for words in (".home.zip: pattern=", ".email: a valid email address", "any number of characters"):
        assert words in screen.getvalue() and words in page
    assert "<details><summary>JSON schema</summary>" in page


def test_html_is_escaped() -> None:
    page = output_type(Literal["<b>", "a&b"]).explain()._repr_html_()
    assert "<b>" not in page and "&lt;b&gt; | a&amp;b" in page
