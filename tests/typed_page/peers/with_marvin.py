"""The program with Marvin. The text of a prompt has no variables: the arguments are sent along."""

import marvin
from pydantic import BaseModel

cool = marvin.Agent(model="openai:gpt-4o", model_settings={"temperature": 0.5})


class Character(BaseModel):
    name: str
    age: int


@marvin.fn(agent=cool)
def make(setting: str) -> Character:
    """Invent a character who lives in the setting."""
    raise NotImplementedError


@marvin.fn
def backstory(character: Character) -> str:
    """Tell of the character."""
    raise NotImplementedError


@marvin.fn
def cast_of(play: str, most: int = 3) -> list[Character]:
    """Name characters of the play."""
    raise NotImplementedError


@marvin.fn
def find(text: str) -> Character | None:
    """Find the villain."""
    raise NotImplementedError


# kind: mistakes
async def program() -> None:
    hero = make("Mars")
    print(hero.name, backstory(hero), [each.age for each in cast_of("Hamlet")])
    print((await marvin.cast_async("Ada, 12", Character)).name)
    make(3)  # E: an argument of the wrong type
    make()  # E: an argument left out
    make("Mars").nmae  # E: a typo in a field of the answer
    text: str = make("Mars")  # E: an answer assigned to another type
    cast_of("Hamlet").name  # E: a list taken for one answer
    find("x").name  # E: an answer that may be None
    marvin.cast_async("Ada, 12", Character).name  # E: an await forgotten
    marvin.Agent(model="openai:gpt-4o", model_settings={"tempurature": 0.5})  # E: a typo in an option
    marvin.Agent(model="openai:gpt-4o", model_settings={"temperature": -1})  # E: an option out of range
    print(text)


@marvin.fn
def default(setting: str = 3) -> Character:  # E: a default of the wrong type
    """Invent a character who lives in the setting."""
    raise NotImplementedError
