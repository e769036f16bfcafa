"""Unions.

Each member keeps its own texts, and the text decides which member reads it: `1` is the `int` and `1.0` the `float`.
"""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    radius: float


class Square(BaseModel):
    kind: Literal["square"]
    side: float


@dataclass
class Found:
    answer: str


@dataclass
class Missing:
    reason: str


maybe: int | None = None
maybe_text: str | None = "Ada"
number: int | float = 1.0
several: bool | list[bool] | None = [True]
text_or_number: str | int = "42"
day: date | Literal["unknown"] = "unknown"
small: Annotated[int, Field(ge=0, le=9)] | Literal["many"] = 9
shape: Annotated[Circle | Square, Field(discriminator="kind")] = Square(kind="square", side=2.0)
search: Found | Missing = Missing("no such ship")
