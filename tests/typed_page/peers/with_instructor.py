"""The program with Instructor."""

import instructor
from pydantic import BaseModel

client = instructor.from_provider("openai/gpt-4o")
async_client = instructor.from_provider("openai/gpt-4o", async_client=True)


class Character(BaseModel):
    name: str
    age: int


def make(setting: str) -> Character:
    question = f"Invent a character who lives in {setting}."
    return client.create(response_model=Character, messages=[{"role": "user", "content": question}], temperature=0.5)


def backstory(character: Character) -> str:
    question = f"Tell of {character.name}, aged {character.age}."
    return client.create(response_model=str, messages=[{"role": "user", "content": question}])


def cast_of(play: str, most: int = 3) -> list[Character]:
    question = f"At most {most} characters of {play}."
    return client.create(response_model=list[Character], messages=[{"role": "user", "content": question}])


async def later(setting: str) -> Character:
    question = f"Invent a character who lives in {setting}."
    return await async_client.create(response_model=Character, messages=[{"role": "user", "content": question}])


# kind: mistakes
async def program() -> None:
    hero = make("Mars")
    print(hero.name, backstory(hero), [each.age for each in cast_of("Hamlet")], (await later("Venus")).name)
    make(3)  # E: an argument of the wrong type
    make()  # E: an argument left out
    make("Mars").nmae  # E: a typo in a field of the answer
    text: str = client.create(response_model=Character, messages=[])  # E: an answer assigned to another type
    client.create(response_model=list[Character], messages=[]).name  # E: a list taken for one answer
    client.create(response_model=Character | None, messages=[]).name  # E: an answer that may be None
    async_client.create(response_model=Character, messages=[]).name  # E: an await forgotten
    client.create(response_model=Character, messages=[], tempurature=0.5)  # E: a typo in an option
    client.create(response_model=Character, messages=[], temperature=-1)  # E: an option out of range
    print(text)


def name(setting: str) -> Character:
    question = f"Invent a character who lives in {seting}."  # E: a typo in the text of the prompt
    return client.create(response_model=Character, messages=[{"role": "user", "content": question}])


def field(character: Character) -> str:
    question = f"Tell of {character.nmae}."  # E: a typo in a field of a parameter
    return client.create(response_model=str, messages=[{"role": "user", "content": question}])


def default(setting: str = 3) -> Character:  # E: a default of the wrong type
    question = f"Invent a character who lives in {setting}."
    return client.create(response_model=Character, messages=[{"role": "user", "content": question}])
