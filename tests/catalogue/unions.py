"""Unions.

An answer may be any text of any member, and is read as pydantic reads it.
"""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    radius: float


class Square(BaseModel):
    kind: Literal["square"]
    side: float


class Person(BaseModel):
    name: str


class Author(BaseModel):
    name: str
    books: int = 0


class Genre(Enum):
    NOVEL = "novel"
    POEM = "poem"


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
day_or_words: date | str = date(2024, 2, 29)
genre: Annotated[Genre | str, Field(union_mode="left_to_right")] = Genre.POEM
writer: Person | Author = Author(name="Ada", books=1)
search: Found | Missing = Missing("no such ship")
