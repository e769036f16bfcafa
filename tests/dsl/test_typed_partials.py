"""`.partials()` of a type whose fields all have defaults: values of the type, from the first token on."""

import asyncio
import json
import random
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import AfterValidator, BaseModel, Field
from returns.result import Success
from typing_extensions import TypedDict

from typefold import Invalid, Logged, Runtime, ask, output_type, prompt
from typefold.runtime.engines.scripted import ScriptedEngine


class Step(BaseModel):
    text: str
    minutes: int


class Recipe(BaseModel):
    title: str = ""
    course: Literal["starter", "main", "dessert"] = "main"
    day: date | None = None
    price: Decimal = Decimal(0)
    steps: list[Step] = []
    notes: str | None = None


RECIPE = Recipe(
    title="Pea soup",
    course="starter",
    day=date(2026, 3, 14),
    price=Decimal("12.50"),
    steps=[Step(text="Boil the peas.", minutes=20), Step(text='Say "soup".', minutes=1)],
    notes="Serve hot.",
)


@prompt
def cook(dish: str) -> Recipe:
    return ask(dish)


def drafts(function: Any, text: str, **options: Any) -> list[Any]:
    with Runtime(ScriptedEngine(answers=[text], tokens_per_step=1), **options), function.stream("x") as stream:
        found = list(stream.partials())
        assert stream.result() == found[-1]
    return found


def test_each_is_a_value_of_the_type_and_nothing_half_written_is_in_it() -> None:
    found = drafts(cook, output_type(Recipe).encode(RECIPE))
    assert all(isinstance(each, Recipe) for each in found)
    assert found[-1] == RECIPE
    assert found[0] == Recipe()
    assert {each.course for each in found} == {"main", "starter"}
    assert {each.day for each in found} == {None, RECIPE.day}
    assert {each.price for each in found} == {Decimal(0), RECIPE.price}
    assert [len(each.steps) for each in found] == sorted(len(each.steps) for each in found)
    assert {step.minutes for each in found for step in each.steps} == {20, 1}
    assert len({each.title for each in found}) > 4  # texts come as they are written
    assert all(RECIPE.title.startswith(each.title) for each in found)
    assert any(each.notes == "Serve" for each in found)


@pytest.mark.parametrize("json_format", ["tight", "compact"])
def test_the_format_of_the_json_does_not_matter(json_format: Any) -> None:
    found = drafts(cook, output_type(Recipe, json_format=json_format).encode(RECIPE), json_format=json_format)
    assert all(isinstance(each, Recipe) for each in found)
    assert found[-1] == RECIPE
    assert len({each.title for each in found}) > 4


@dataclass
class Node:
    name: str = ""
    children: "list[Node]" = field(default_factory=list["Node"])
    parent: "Node | None" = None


class Point(NamedTuple):
    x: int = 0
    y: int = 0


class Options(TypedDict, total=False):
    depth: int
    name: Annotated[str, Field(min_length=3)]


@pytest.mark.parametrize(
    "value", [Node("a", [Node("b", [Node("c")]), Node("d")], Node("up")), Options(depth=3, name="abcdef")]
)
def test_dataclasses_recursion_and_typed_dicts(value: Any) -> None:
    kind: Any = Node if isinstance(value, Node) else Options

    def tell(x: str) -> object:
        return ask(x)

    tell.__annotations__["return"] = kind

    found = drafts(prompt(tell), output_type(kind).encode(value))
    assert found[-1] == value
    assert len(found) > 5
    if kind is Options:
        assert all(len(each.get("name", "abc")) >= 3 for each in found)
        assert {} in found
    else:
        assert all(isinstance(each, Node) for each in found)
        assert any(each.children and each.children[0].children for each in found)


class Strict(BaseModel):
    title: Annotated[str, AfterValidator(lambda text: text if "!" not in text else int("x"))] = ""
    stars: int = 0


@prompt
def rate(x: str) -> Strict:
    return ask(x)


def test_while_a_validator_refuses_what_is_complete_nothing_comes() -> None:
    with Runtime(ScriptedEngine(answers=['{"title": "No!", "stars": 3}'], tokens_per_step=1)):
        stream = rate.stream("x")
        found: list[Any] = []
        with pytest.raises(Invalid):
            found += stream.partials()
            found += [stream.result()]
    assert all("!" not in each.title and each.stars == 0 for each in found)


class Required(BaseModel):
    title: str
    stars: int = 0


def test_of_other_types_and_of_results_it_is_json_as_before() -> None:
    @prompt
    def required(x: str) -> Required:
        return ask(x)

    @prompt
    def logged(x: str) -> Logged[Recipe]:
        return ask(x)

    @prompt
    def free(x: str) -> dict[str, int]:
        return ask(x)

    with Runtime(ScriptedEngine(answers=['{"title": "a", "stars": 1}'], tokens_per_step=3)):
        assert list(required.stream("x").partials())[-1] == {"title": "a", "stars": 1}
    for function in (logged, cook.safe):
        with Runtime(ScriptedEngine(answers=[output_type(Recipe).encode(RECIPE)], tokens_per_step=3)):
            assert all(type(each) is dict for each in function.stream("x").partials())
    with Runtime(ScriptedEngine(answers=['{"a": 1, "b": 2}'], tokens_per_step=3)):
        assert list(free.stream("x").partials())[-1] == {"a": 1, "b": 2}


def test_an_async_stream_has_them_too() -> None:
    @prompt
    async def cook_async(dish: str) -> Recipe:
        return ask(dish)

    async def main() -> list[Any]:
        return [each async for each in cook_async.stream("x").partials()]

    with Runtime(ScriptedEngine(answers=[output_type(Recipe).encode(RECIPE)], tokens_per_step=4)):
        found = asyncio.run(main())
    assert all(isinstance(each, Recipe) for each in found)
    assert found[-1] == RECIPE


class Everything(BaseModel):
    texts: list[str] = []
    by_name: dict[str, Step | int] = {}
    either: date | str | None = None
    pair: tuple[str, Literal["a", "ab"]] = ("", "a")
    nested: Recipe = Recipe()


def test_whatever_the_value_each_beginning_is_a_value_and_the_fields_before_it_stay() -> None:
    rng = random.Random(5)
    engine_texts = []
    with Runtime(ScriptedEngine(seed=3)) as runtime:
        engine_texts = [runtime.generate(f"{number}?", output_type=Everything) for number in range(12)]
    for value in engine_texts:
        text = output_type(Everything).encode(value)

        @prompt
        def tell(x: str) -> Everything:
            return ask(x)

        with Runtime(ScriptedEngine(answers=[text], tokens_per_step=rng.randint(1, 9))):
            found: list[Any] = list(tell.stream("x").partials())
        assert all(type(each) is Everything for each in found)
        assert Success(found[-1]) == Success(value)
        for each in found:  # what is there is written the same way, or is the beginning of it
            told = json.loads(each.model_dump_json(exclude_unset=True))
            whole = json.loads(value.model_dump_json())
            assert list(told) == list(whole)[: len(told)]
            assert all(told[name] == whole[name] for name in list(told)[:-1])
