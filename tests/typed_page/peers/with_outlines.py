"""The program with Outlines. The answer is a text of JSON, which pydantic reads."""

import openai
import outlines
from pydantic import BaseModel, TypeAdapter


class Character(BaseModel):
    name: str
    age: int


model = outlines.from_openai(openai.OpenAI(), "gpt-4o")
async_model = outlines.from_openai(openai.AsyncOpenAI(), "gpt-4o")
characters = TypeAdapter(list[Character])
perhaps: TypeAdapter[Character | None] = TypeAdapter(Character | None)


def make(setting: str) -> Character:
    answer = model(f"Invent a character who lives in {setting}.", Character, temperature=0.5)
    return Character.model_validate_json(answer)


def backstory(character: Character) -> str:
    return str(model(f"Tell of {character.name}, aged {character.age}."))


def cast_of(play: str, most: int = 3) -> list[Character]:
    return characters.validate_json(model(f"At most {most} characters of {play}.", list[Character]))


def find(text: str) -> Character | None:
    return perhaps.validate_json(model(f"Find the villain: {text}", Character | None))


async def later(setting: str) -> Character:
    answer = await async_model(f"Invent a character who lives in {setting}.", Character)
    return Character.model_validate_json(answer)


# kind: mistakes
async def program() -> None:
    hero = make("Mars")
    print(hero.name, backstory(hero), [each.age for each in cast_of("Hamlet")], (await later("Venus")).name)
    make(3)  # E: an argument of the wrong type
    make()  # E: an argument left out
    make("Mars").nmae  # E: a typo in a field of the answer
    number: int = model("Invent a character.", Character)  # E: an answer assigned to another type
    cast_of("Hamlet").name  # E: a list taken for one answer
    find("x").name  # E: an answer that may be None
    async_model("Invent a character.", Character).name  # E: an await forgotten
    model("Invent a character.", Character, tempurature=0.5)  # E: a typo in an option
    model("Invent a character.", Character, temperature=-1)  # E: an option out of range
    print(number)


def name(setting: str) -> Character:
    answer = model(f"Invent a character who lives in {seting}.", Character)  # E: a typo in the text of the prompt
    return Character.model_validate_json(answer)


def field(character: Character) -> str:
    return str(model(f"Tell of {character.nmae}."))  # E: a typo in a field of a parameter


def default(setting: str = 3) -> Character:  # E: a default of the wrong type
    answer = model(f"Invent a character who lives in {setting}.", Character)
    return Character.model_validate_json(answer)
