"""Calls whose prompts are frozen: of each prompt of the examples, and of a prompt for each type of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, cast

from examples import classification, extraction, judge, pipelines, quickstart, sql, story, synthetic
from typefold import Runtime, ask, prompt
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine

from ..catalogue import SECTIONS

__all__ = ["examples", "request_of", "types"]


def examples() -> Iterator[tuple[str, Callable[..., Any], tuple[Any, ...]]]:
    """Each prompt of the examples by its name, with arguments."""
    cast = [story.Character(name=name, age=age, wish="to see the sea") for name, age in (("Ada", 40), ("Bo", 12))]
    recipe = pipelines.Recipe(dish="soup", minutes=50, ingredients=["leek", "salt"])
    order = extraction.Order(
        customer=extraction.Customer(name="Ada", city="Porto"),
        reference="KL-1234",
        ordered=date(2025, 1, 2),
        due=None,
        items=[extraction.Item(name="kettle", quantity=2, price=Decimal("24.90"))],
    )
    held, free = sql.writers(sql.grammar_of(sql.shop(), "sales"))
    yield "classification.route", classification.route, ("My parcel is late.",)
    yield "extraction.read", extraction.read, (f"Please send me 2 kettles. {order.customer.name}",)
    yield "judge.better", judge.better, ("What is 2 + 2?", "4", "5")
    yield "pipelines.invent", pipelines.invent, ("soup",)
    yield "pipelines.quicken", pipelines.quicken, (recipe,)
    yield "pipelines.place", pipelines.place, (recipe,)
    yield "pipelines.praise", pipelines.praise, (recipe,)
    yield "quickstart.extract", quickstart.extract, ("Where is AB-1234?",)
    yield "sql.held", held, ("How many kettles were sold?",)
    yield "sql.free", free, ("How many kettles were sold?",)
    yield "story.invent", story.invent, ("Mars",)
    yield "story.tell", story.tell, ("Mars", cast, "the trouble", "Ada left.")
    yield "story.review", story.review, ("The lamp went out.",)
    yield "story.mend", story.mend, ("The lamp went out.", "boring")
    yield "story.name", story.name, (["The lamp went out.", "Ada left."],)
    yield "synthetic.write", synthetic.write, ("kettle", "a chef", 4)
    yield "synthetic.read", synthetic.read, ("It boils.",)


def types() -> Iterator[tuple[str, Callable[..., Any], tuple[Any, ...]]]:
    """A prompt for each type of the catalogue, which has types of each hook."""
    for section in SECTIONS:
        for entry in section.entries:
            yield f"{section.title}: {entry}", _prompt_of(entry.hint), ("Mars",)


def _prompt_of(hint: Any) -> Any:
    def about(text: str) -> str:
        return ask(f"Write about {text}.")

    about.__annotations__ = {"text": str, "return": hint}
    return cast("Any", prompt(about))


def request_of(function: Any, args: tuple[Any, ...]) -> Request:
    """The first request that a call sends."""
    made_up, given = ScriptedEngine(seed=1), ScriptedEngine(answers=lambda request: "x")
    for engine in (made_up, given):  # no answer can be made up for a grammar of the program's own
        with Runtime(engine):
            function.safe(*args)
    return (made_up.requests or given.requests)[0]
