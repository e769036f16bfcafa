"""Typed orders out of letters: nested models, dates, lists and fields that may be missing, written as JSON lines.

TYPEFOLD_MODEL=$(typefold demo-model) python examples/extraction.py --rows 12 --output orders.jsonl

Each letter gives an `Order`, or the error that says why it gave none. An order that is due before it was made is sent back
to the model once. The letters are written by a seeded generator, so what stands in them is known: the table at the end says
how much of it was read.
"""

import json
import random
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, NamedTuple, Self

import typer
from pydantic import BaseModel, Field, model_validator
from returns.result import Success
from rich.console import Console
from rich.table import Table

from typefold import Runtime, ask, example, prompt, system, user


class Customer(BaseModel):
    name: Annotated[str, Field(min_length=2, max_length=40)]
    city: Annotated[str, Field(min_length=2, max_length=30)]


class Item(BaseModel):
    name: Annotated[str, Field(min_length=2, max_length=30)]
    quantity: Annotated[int, Field(ge=1, le=999)]
    price: Annotated[Decimal, Field(ge=0, lt=1000, decimal_places=2)]


class Order(BaseModel):
    customer: Customer
    reference: Annotated[str, Field(pattern=r"^[A-Z]{2}-[0-9]{4}$")] | None
    ordered: date
    due: date | None
    items: Annotated[list[Item], Field(min_length=1, max_length=4)]

    @model_validator(mode="after")
    def is_due_later(self) -> Self:
        if self.due is not None and self.due < self.ordered:
            raise ValueError(f"due on {self.due}, before it was ordered on {self.ordered}")
        return self


class Letter(NamedTuple):
    text: str
    order: Order


def letters(count: int, seed: int) -> list[Letter]:
    """Letters and what stands in them; the same seed writes the same ones."""
    rng = random.Random(seed)
    names = ["Ada Lindqvist", "Bruno Costa", "Chiara Bellini", "Dmitri Orlov", "Esther Okafor", "Femke de Vries"]
    cities = ["Bergen", "Porto", "Trieste", "Tartu", "Lagos", "Utrecht"]
    goods = {"kettle": "24.90", "teapot": "18.50", "oil lamp": "42.00", "copper pan": "63.75", "bread knife": "15.20"}

    def letter() -> Letter:
        ordered = date(2025, 1, 1) + timedelta(days=rng.randrange(330))
        order = Order(
            customer=Customer(name=rng.choice(names), city=rng.choice(cities)),
            reference=f"{rng.choice(['KL', 'NB', 'TR'])}-{rng.randrange(1000, 10000)}" if rng.random() < 0.6 else None,
            ordered=ordered,
            due=ordered + timedelta(days=rng.randrange(5, 40)) if rng.random() < 0.5 else None,
            items=[
                Item(name=name, quantity=rng.randrange(1, 30), price=Decimal(goods[name]))
                for name in rng.sample(list(goods), k=rng.randrange(1, 4))
            ],
        )
        wanted = " and ".join(f"{item.quantity} x {item.name} at {item.price} euros" for item in order.items)
        lines = [f"{ordered.day} {ordered:%B %Y}", f"Please send me {wanted}."]
        if order.due:
            lines.append(f"I need all of it by {order.due.day} {order.due:%B %Y}.")
        if order.reference:
            lines.append(f"Our reference is {order.reference}.")
        return Letter("\n".join([*lines, f"Kind regards, {order.customer.name}, {order.customer.city}"]), order)

    return [letter() for _ in range(count)]


SHOWN = [example(letter.order, letter=letter.text) for letter in letters(3, seed=2)]


@prompt(
    temperature=0, retries=1, examples=SHOWN, describe_format=False
)  # a small model reads examples better than a description
def read(letter: str) -> Order:
    return ask(system("You copy orders out of letters. What a letter does not say is null."), user(letter))


def main(rows: int = 12, output: Path = Path("orders.jsonl")) -> None:
    console = Console()
    batch = letters(rows, seed=1)
    right: Counter[str] = Counter()
    failed = 0
    with output.open("w", encoding="utf-8") as lines:  # before anything is asked
        results = read.safe.map(letter.text for letter in batch)
        for row, (letter, result) in enumerate(zip(batch, results, strict=True)):
            if isinstance(result, Success):
                order = result.unwrap()
                record = {"row": row, "order": order.model_dump(mode="json")}
                said, known = order.model_dump(), letter.order.model_dump()
                right.update(field for field in known if said[field] == known[field])
            else:
                failed += 1
                record = {"row": row, "error": str(result.failure())}
                console.print(record["error"], style="red", markup=False)
            lines.write(json.dumps(record) + "\n")

    table = Table("field", "read right")
    for field in Order.model_fields:
        table.add_row(field, f"{right[field]} of {rows}")
    console.print(table)
    console.print(f"{rows} letters, {failed} without an order; {output} has a line for each.")


if __name__ == "__main__":  # vLLM may start processes of its own, which import this file
    with Runtime(max_model_len=2048):  # of the model that TYPEFOLD_MODEL names
        typer.run(main)
