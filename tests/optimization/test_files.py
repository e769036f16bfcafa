"""Optimized prompts as files: what they hold, and what is told of those that don't fit."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from typefold import PromptUsageError, Runtime, Scored, ask, calibrate, prompt
from typefold.compiler import Image, Message
from typefold.optimization import Instructions, OptimizedPrompts, Revision, StalePrompts, StoredExample, optimized
from typefold.prompts.base_prompt import spec_of
from typefold.prompts.definition import Definition
from typefold.runtime.engines.scripted import ScriptedEngine


class Colour(Enum):
    RED = "red"


class Address(BaseModel):
    city: str
    since: date


@dataclass
class Order:
    number: int
    colour: Colour


@prompt
def capital(country: str) -> str:
    return ask(f"What is the capital of {country}?")


def definition_of(function: Any) -> Definition:
    return spec_of(function).definition


def read(
    address: Address, orders: list[Order], pairs: tuple[int, str], tags: frozenset[str], *rest: float, **more: date
) -> Order:
    return ask(f"{address} {orders} {pairs} {tags} {rest} {more}")


def test_examples_of_any_types_come_back_as_they_were() -> None:
    definition = definition_of(prompt(read))
    arguments = {
        "address": Address(city="Oslo", since=date(2020, 1, 2)),
        "orders": [Order(1, Colour.RED)],
        "pairs": (3, "x"),
        "tags": frozenset({"b"}),
        "rest": (1.5, 2.0),
        "more": {"due": date(2021, 3, 4)},
    }
    stored = StoredExample.of(definition, arguments, Order(7, Colour.RED))
    assert stored is not None
    stored = StoredExample(**json.loads(json.dumps({"arguments": dict(stored.arguments), "answer": stored.answer})))
    back = stored.read(definition)
    assert (back.arguments, back.value) == (arguments, Order(7, Colour.RED))


class Opaque:
    pass


@pytest.mark.parametrize("given", [Image(b"x", "png", 1, 1), Opaque(), b"\xff", float("nan")])
def test_an_argument_that_json_does_not_give_back_makes_no_example(given: object) -> None:
    @prompt
    def show(thing: Any) -> str:
        return ask(f"{thing}")

    assert StoredExample.of(definition_of(show), {"thing": given}, "a") is None


def made(**changes: Any) -> OptimizedPrompts:
    example = StoredExample({"country": "France"}, "Paris")
    revision = Revision("capital", (example,), Instructions("", "Be brief."), (spec_of(capital).version().digest,))
    given: dict[str, Any] = {"function": "capital", "prompts": (revision,), "model": "m", **changes}
    return OptimizedPrompts(**given)


def test_a_file_holds_all_of_it_and_applies_to_the_function(tmp_path: Path) -> None:
    made().save(tmp_path / "it.json")
    assert OptimizedPrompts.load(tmp_path / "it.json") == made()
    better = optimized(capital, tmp_path / "it.json")
    rendered: Any = better.render("Peru")
    assert [each.content for each in rendered] == [
        "Be brief.",
        "What is the capital of France?",
        "Paris",
        "What is the capital of Peru?",
    ]
    assert pickle.loads(pickle.dumps(better)).render("Peru") == better.render("Peru")
    assert better.using(temperature=0).render("Peru") == better.render("Peru")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "this is no file of optimized prompts"),
        ("[]", "this is no file of optimized prompts"),
        ('{"function": "capital"}', "this is no file of optimized prompts"),
        ('{"typefold_optimized": 2}', "a later typefold wrote this"),
        ('{"typefold_optimized": 1, "function": "f"}', "prompts: "),
        ('{"typefold_optimized": 1, "function": "f", "prompts": [{"prompt": 3}]}', "prompts.0.prompt: "),
    ],
)
def test_files_that_are_none_are_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "it.json").write_text(text)
    with pytest.raises(PromptUsageError, match=words):
        OptimizedPrompts.load(tmp_path / "it.json")


def test_examples_that_do_not_fit_are_told() -> None:
    for example in (
        StoredExample({"place": "x"}, "Paris"),
        StoredExample({"country": 3}, "Paris"),
        StoredExample({}, "a"),
    ):
        revision = Revision("capital", (example,))
        with pytest.raises(PromptUsageError, match=r"is (no|not an) example of it"):
            optimized(capital, made(prompts=(revision,)))


def test_a_prompt_that_was_changed_since_is_told_and_used_only_if_asked() -> None:
    stale = made(prompts=(Revision("capital", made().prompts[0].examples, None, ("0123456789abcdef",)),))
    with pytest.raises(StalePrompts, match=r"capital was changed since it was optimized.*0123456789abcdef") as caught:
        optimized(capital, stale)
    assert caught.value.prompt == "capital"
    assert pickle.loads(pickle.dumps(caught.value)).prompt == "capital"
    assert len(optimized(capital, stale, stale="use").render("Peru")) == 3

    def program(country: str) -> Any:
        return capital.render(country)

    changed = optimized(program, stale)
    with pytest.raises(StalePrompts):
        changed("Peru")
    assert optimized(program, made())("Peru") == optimized(capital, made()).render("Peru")
    assert program("Peru") == capital.render("Peru"), "outside nothing has changed"


def test_what_was_found_with_a_model_is_taken_with_any(tmp_path: Path) -> None:
    @prompt
    def good(text: str) -> Scored[bool]:
        return ask(text)

    with Runtime(ScriptedEngine(answers=lambda request: "true", model="org/old")):
        calibrate(good, ["x"], [True]).save(tmp_path / "calibration.json")
    made(model="org/old").save(tmp_path / "capital.json")
    with Runtime(ScriptedEngine(answers=lambda request: "true", model="org/new")):
        assert good.using(calibration=tmp_path / "calibration.json")("x").value
        assert optimized(capital, tmp_path / "capital.json")("Peru") == "true"
    assert "old" not in (tmp_path / "calibration.json").read_text()
    assert OptimizedPrompts.load(tmp_path / "capital.json").model == "org/old"


def test_prompts_of_another_function_are_told() -> None:
    @prompt
    def river(country: str) -> str:
        return ask(f"A river of {country}?")

    with pytest.raises(PromptUsageError, match="the optimized prompts are capital, and this is river"):
        optimized(river, made())


@pytest.mark.parametrize("role", ["system", "user"])
def test_instructions_take_the_place_of_a_beginning_and_images_keep_theirs(role: Literal["system", "user"]) -> None:
    image = Image(b"x", "png", 1, 1)
    asked = [Message(role, "Old words: see ", ((15, image),)), Message("user", "Old words too")]
    put = Instructions("Old words:", "New:").put_in(asked)
    assert put == (Message(role, "New: see ", ((9, image),)), Message("user", "Old words too"))
    assert Instructions("Other", "New").put_in(asked) == tuple(asked)
    first = Instructions("", "New").put_in(asked)
    if role == "system":
        assert first[0] == Message("system", "New\n\nOld words: see ", ((20, image),))
    else:
        assert first == (Message("system", "New"), *asked)
