"""Models.

pydantic reads its own models, so validators, aliases and defaults hold as its users know them. A validator cannot be in
a grammar: it is checked after, and named.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel, field_validator


class Character(BaseModel):
    name: Annotated[str, Field(max_length=40)]
    age: Annotated[int, Field(ge=0, le=120)]
    role: Literal["hero", "villain"] = "hero"


class Cast(BaseModel):
    lead: Character
    others: Annotated[list[Character], Field(max_length=2)] = []


class Address(BaseModel):
    postal_code: str = Field(alias="postalCode", pattern=r"^\d{5}$")


class Even(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def is_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("is odd")
        return number


class Tags(RootModel[list[Literal["sea", "land"]]]):
    pass


character: Character = Character(name="Ada", age=36)
cast: Cast = Cast(lead=Character(name="Ada", age=36, role="villain"))
address: Address = Address(postalCode="10115")
even: Even = Even(number=4)
tags: Tags = Tags(["sea"])
