"""Pipelines of calls that may fail, with `returns`: `flow`, `bind`, `lash` and `Result.do` over `.safe`.

TYPEFOLD_MODEL=$(typefold demo-model) python examples/pipelines.py --rows 8

`.safe` gives `Success(value)` or `Failure(error)` and raises nothing, so steps are put one behind the other, and the first
failure goes past all steps but those that `lash` takes. A step is a prompt or a function of your own.

mypy and pyright in their strict modes take this file as it is. Both check `Result.do`. Of `flow` they take the result that is
declared; each step is checked against the next by mypy with the plugin of returns (`plugins =
["returns.contrib.mypy.returns_plugin"]`). For pyright `result.bind(...)` is partly unknown, so `bind` is the function here.
"""

from typing import Annotated, Literal, NamedTuple

import typer
from pydantic import BaseModel, Field
from returns.methods import partition
from returns.pipeline import flow
from returns.pointfree import bind, lash
from returns.result import Failure, Result, Success
from rich.console import Console
from rich.table import Table

from typefold import Runtime, ask, prompt, run

DISHES = ["pea soup", "apple pie", "fried rice", "fish stew", "bean salad", "onion tart", "plum cake", "rye bread"]
Course = Literal["starter", "main course", "dessert"]


class Recipe(BaseModel):
    dish: Annotated[str, Field(min_length=3, max_length=30)]
    minutes: Annotated[int, Field(ge=5, le=240)]
    ingredients: Annotated[list[Annotated[str, Field(pattern=r"^[a-z]{3,12}$")]], Field(min_length=2, max_length=4)]


class Line(NamedTuple):
    """A line of the menu."""

    recipe: Recipe
    course: Course
    text: str


class Complaint(Exception):
    """The kitchen will not have it."""


class TooSlow(Complaint):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__(f"{recipe.dish} takes {recipe.minutes} minutes")
        self.recipe = recipe


@prompt(temperature=0.8)
def invent(dish: str) -> Recipe:
    return ask(f"Invent a simple recipe for {dish}. Ingredients are single words.")


@prompt(temperature=0.8)
def quicken(recipe: Recipe) -> Recipe:
    return ask(f"Change this recipe so that it takes less than 45 minutes:\n{recipe.model_dump_json()}")


@prompt(temperature=0)
def place(recipe: Recipe) -> Course:
    return ask(f"Which course is {recipe.dish} with {', '.join(recipe.ingredients)}?")


@prompt(temperature=0.7, max_tokens=30)
def praise(recipe: Recipe) -> str:
    return ask(f"Praise {recipe.dish} on a menu, in one short sentence.")


def in_time(recipe: Recipe) -> Result[Recipe, Exception]:
    """A step of one's own."""
    return Success(recipe) if recipe.minutes <= 60 else Failure(TooSlow(recipe))


def mended(error: Exception) -> Result[Recipe, Exception]:
    """What `lash` does with a failure: one kind goes back to the model, any other stays what it is."""
    return quicken.safe(error.recipe) if isinstance(error, TooSlow) else Failure(error)


def without_repeats(recipe: Recipe) -> Result[Recipe, Exception]:
    if len(set(recipe.ingredients)) == len(recipe.ingredients):
        return Success(recipe)
    return Failure(Complaint(f"{recipe.dish} would be made of {', '.join(recipe.ingredients)}"))


def usable(dish: str) -> Result[Recipe, Exception]:
    return flow(dish, invent.safe, bind(in_time), lash(mended), bind(in_time), bind(without_repeats))


def line(dish: str) -> Result[Line, Exception]:
    return Result.do(
        Line(recipe, course, " ".join(text.split()))
        for recipe in usable(dish)
        for course in place.safe(recipe)
        for text in praise.safe(recipe)
    )


def main(rows: int = len(DISHES)) -> None:
    console = Console()
    lines, errors = partition(run(line, [DISHES[row % len(DISHES)] for row in range(rows)]))
    table = Table("course", "dish", "minutes", "made of", "on the menu", title=f"{len(lines)} of {rows} dishes")
    for recipe, course, text in sorted(lines, key=lambda each: each.course):
        table.add_row(course, recipe.dish, str(recipe.minutes), ", ".join(recipe.ingredients), text)
    console.print(table)
    for error in errors:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    with Runtime(max_model_len=2048, seed=11):  # of the model that TYPEFOLD_MODEL names
        typer.run(main)
