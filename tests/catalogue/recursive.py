"""Recursive types.

A type may hold itself, by a name in quotation marks, by `Self` or by an alias. JSON readers follow some hundreds of
levels, so the depth is checked after.
"""

from dataclasses import dataclass
from typing import Generic, Self

from pydantic import BaseModel
from typing_extensions import TypeAliasType, TypeVar

T = TypeVar("T")

Nested = TypeAliasType("Nested", "bool | list[Nested]")


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


@dataclass
class Task:
    title: str
    steps: list[Self]


class Chain(BaseModel, Generic[T]):
    item: T
    rest: "Chain[T] | None" = None


tree: Tree = Tree(name="root", children=[Tree(name="leaf")])
task: Task = Task("sail", [Task("rig", [])])
nested: Nested = [True, [False]]
chain: Chain[str] = Chain[str](item="a", rest=Chain[str](item="b"))
