"""Synthetic product reviews, written to Parquet; killed at any moment, it goes on where it was.

TYPEFOLD_MODEL=$(typefold demo-model) python examples/synthetic.py --rows 60 --output reviews.parquet

Each row is asked for with a product, a customer and a number of stars; a second prompt reads the review without knowing
the stars, and the row keeps both, so that reviews which say something else can be left out. Every answer is in the journal
`reviews.db` before its row goes on: press Ctrl-C, or kill -9 it, and run it again. The seed makes it the same data each time.
"""

import random
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer
from pydantic import BaseModel, Field
from returns.result import Success
from rich.console import Console
from rich.table import Table

from typefold import Runtime, ask, current, prompt, run
from typefold.tables.arrow import arrow_type

PRODUCTS = ["kettle", "desk lamp", "backpack", "headphones", "garden hose", "alarm clock"]
CUSTOMERS = ["a student", "a retired sailor", "a mother of three", "a chef", "a commuter"]
Stars = Annotated[int, Field(ge=1, le=5)]


class Wish(NamedTuple):
    product: str
    customer: str
    stars: int


class Draft(BaseModel):
    title: Annotated[str, Field(min_length=4, max_length=40)]
    text: Annotated[str, Field(min_length=20, max_length=160)]
    recommended: bool


class Review(Draft):
    """A row of the file."""

    product: str
    stars: Stars
    read_as: Literal["happy", "unhappy"]


@prompt(temperature=0.9)
def write(product: str, customer: str, stars: int) -> Draft:
    return ask(f"You are {customer}. Write a short review of a {product} that you give {stars} of 5 stars.")


@prompt(temperature=0)
def read(text: str) -> Literal["happy", "unhappy"]:
    return ask(f"Is the customer who wrote this happy or unhappy?\n{text}")


def review(wish: Wish) -> Review:
    """One row: a plain program."""
    draft = write(wish.product, wish.customer, wish.stars)
    mood = read(f"{draft.title}. {draft.text}")
    return Review(**draft.model_dump(), product=wish.product, stars=wish.stars, read_as=mood)


def wishes(count: int, seed: int) -> Iterator[Wish]:
    rng = random.Random(seed)
    for _ in range(count):
        yield Wish(rng.choice(PRODUCTS), rng.choice(CUSTOMERS), rng.randrange(1, 6))


def main(rows: int = 60, output: Path = Path("reviews.parquet")) -> None:
    console = Console()
    reviews: list[tuple[int, Review]] = []
    for row, result in run.stream(review, wishes(rows, seed=3)):  # as rows end, in any order
        if isinstance(result, Success):
            reviews.append((row, result.unwrap()))
        else:
            console.print(f"row {row}: {result.failure()}", style="red", markup=False)

    pa, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")  # which have no types to import
    records = [each.model_dump(mode="json") for _, each in sorted(reviews)]
    parquet.write_table(pa.Table.from_pylist(records, schema=pa.schema(list(arrow_type(Review)))), output)

    table = Table("stars", "reviews", "recommended", "read as happy", "a title", title=str(output))
    for stars in range(1, 6):
        if found := [each for _, each in sorted(reviews) if each.stars == stars]:
            recommended, happy = sum(e.recommended for e in found), sum(e.read_as == "happy" for e in found)
            table.add_row(str(stars), str(len(found)), str(recommended), str(happy), found[0].title)
    console.print(table)
    stats = current().stats
    console.print(
        f"{len(reviews)} of {rows} rows; {stats.from_journal} answers from the journal, {stats.output_tokens} tokens"
    )


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    with Runtime(max_model_len=2048, seed=5, journal="reviews.db"):  # of the model that TYPEFOLD_MODEL names
        typer.run(main)
