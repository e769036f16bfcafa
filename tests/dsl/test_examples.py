"""Examples: worked calls that go before each call."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pydantic import BaseModel

from typefold import Logged, Message, PromptUsageError, ask, example, prompt, system, user
from typefold.messages import RawPrompt


class Place(BaseModel):
    name: str


@prompt(examples=[example(Place(name="Paris"), country="France")])
def capital(country: str, *, year: int = 2024) -> Place:
    return ask(system("Be short."), user(f"The capital of {country} in {year}?"))


class Guide:
    def __init__(self, name: str) -> None:
        self.name = name

    @prompt
    def see(self, city: str, /) -> str:
        return ask(f"{self.name}, what is there in {city}?")


def turns(messages: Sequence[Message] | RawPrompt) -> list[str]:
    return [message.content.rpartition("\n")[2] for message in messages if isinstance(message, Message)]


def test_further_examples_go_behind_those_that_are_there() -> None:
    more = capital.with_examples(capital.example(Place(name="Bonn"), "Germany", year=1980))
    assert turns(more.render("Peru")) == [
        '{"name": string}',
        "The capital of France in 2024?",
        '{"name": "Paris"}',
        "The capital of Germany in 1980?",
        '{"name": "Bonn"}',
        "The capital of Peru in 2024?",
    ]
    assert len(turns(capital.render("Peru"))) == 4


def test_an_example_of_a_method_has_its_instance() -> None:
    see = Guide("Ann").see
    assert turns(see.with_examples(see.example("The tower.", "Paris")).render("Rome")) == [
        "Ann, what is there in Paris?",
        "The tower.",
        "Ann, what is there in Rome?",
    ]


def test_an_example_of_a_special_type_has_the_value_inside() -> None:
    @prompt
    def count(things: str) -> Logged[int]:
        return ask(f"How many {things}?")

    assert turns(count.with_examples(count.example(12, "months")).render("days")) == [
        "Answer with an integer.",
        "How many months?",
        "12",
        "How many days?",
    ]


def test_an_example_that_does_not_fit_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"capital\(\) missing a required argument: 'country'"):
        capital.example(Place(name="Paris"))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(PromptUsageError, match="is not an example of it"):
        capital.with_examples(example("Paris", country="France"))
