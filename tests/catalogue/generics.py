"""Aliases and generics.

Names for other types are read as those types; type variables as their arguments, and without an argument as their
default, bound or constraints.
"""

from dataclasses import dataclass
from typing import Annotated, Generic, NewType

from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType, TypedDict, TypeVar

T = TypeVar("T")
Text = TypeVar("Text", default=str)

UserId = NewType("UserId", int)
Percent = Annotated[int, Field(ge=0, le=100)]
Grid = TypeAliasType("Grid", list[list[bool]])  # or, from Python 3.12 on: type Grid = list[list[bool]]
Pairs = TypeAliasType("Pairs", list[tuple[T, T]], type_params=(T,))


class Box(BaseModel, Generic[T]):
    content: T


@dataclass
class Ranked(Generic[T]):
    best: bool
    item: T


class Batch(TypedDict, Generic[T]):
    items: list[T]


class Note(BaseModel, Generic[Text]):
    body: Text


user: UserId = UserId(7)
percent: Percent = 80
grid: Grid = [[True, False]]
pairs: Pairs[float] = [(0.5, 2.0)]
box: Box[bool] = Box[bool](content=True)
ranked: Ranked[str] = Ranked(True, "Ada")
batch: Batch[str] = {"items": ["a"]}
note: Note = Note(body="as its default")
