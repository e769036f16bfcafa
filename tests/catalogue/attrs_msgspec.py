"""attrs and msgspec.

JSON objects under the names of the constructor's arguments; the constructor makes the values, so that its converters and
validators run. A tagged struct starts with its tag. Neither package is needed unless you use it.
"""

from typing import Annotated

import attrs
import msgspec


@attrs.define
class Ship:
    name: str
    masts: int = attrs.field(default=3, validator=attrs.validators.le(7))


class Cat(msgspec.Struct, tag="cat", rename="camel"):
    lives_left: Annotated[int, msgspec.Meta(ge=1, le=9)]
    tame: bool = True


class Dog(msgspec.Struct, tag="dog"):
    tricks: list[str] = []


ship: Ship = Ship("Beagle")
cat: Cat = Cat(9)
pet: Cat | Dog = Dog(["sit"])
