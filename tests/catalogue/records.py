"""Records.

Dataclasses, typed dictionaries and named tuples are JSON objects: closed, with the fields in the order of their
declaration. Fields with a default may be left out.
"""

from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple, NotRequired, Required

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass
from typing_extensions import ReadOnly, TypedDict


@dataclass
class Point:
    x: Annotated[int, Field(ge=0, le=99)]
    y: Annotated[int, Field(ge=0, le=99)] = 0


@dataclass(frozen=True)
class Badge:
    number: Final[Annotated[int, Field(ge=1, le=99)]]


@checked_dataclass
class Window:
    start: int = Field(ge=0, lt=24)
    stop: int = Field(gt=0, le=24)


class Film(TypedDict):
    title: str
    year: ReadOnly[Annotated[int, Field(ge=1888, le=2100)]]
    sequel: NotRequired[bool]


class Draft(TypedDict, total=False):
    title: Required[str]
    blurb: str


class Move(NamedTuple):
    piece: str
    to: str = "e4"


point: Point = Point(3, 4)
badge: Badge = Badge(7)
window: Window = Window(9, 17)
film: Film = {"title": "Metropolis", "year": 1927}
draft: Draft = {"title": "Untitled"}
move: Move = Move("knight", "f3")
