"""The program with Pydantic AI."""

from pydantic import BaseModel
from pydantic_ai import Agent


class Character(BaseModel):
    name: str
    age: int


inventor = Agent("openai:gpt-4o", output_type=Character, model_settings={"temperature": 0.5})
director = Agent("openai:gpt-4o", output_type=list[Character])
finder: Agent[None, Character | None] = Agent("openai:gpt-4o", output_type=Character | None)
writer = Agent("openai:gpt-4o")


def make(setting: str) -> Character:
    return inventor.run_sync(f"Invent a character who lives in {setting}.").output


def backstory(character: Character) -> str:
    return writer.run_sync(f"Tell of {character.name}, aged {character.age}.").output


def cast_of(play: str, most: int = 3) -> list[Character]:
    return director.run_sync(f"At most {most} characters of {play}.").output


def find(text: str) -> Character | None:
    return finder.run_sync(f"Find the villain: {text}").output


async def later(setting: str) -> Character:
    return (await inventor.run(f"Invent a character who lives in {setting}.")).output


# kind: mistakes
async def program() -> None:
    hero = make("Mars")
    print(hero.name, backstory(hero), [each.age for each in cast_of("Hamlet")], (await later("Venus")).name)
    make(3)  # E: an argument of the wrong type
    make()  # E: an argument left out
    make("Mars").nmae  # E: a typo in a field of the answer
    text: str = inventor.run_sync("Invent a character.").output  # E: an answer assigned to another type
    director.run_sync("Hamlet").output.name  # E: a list taken for one answer
    finder.run_sync("x").output.name  # E: an answer that may be None
    inventor.run("Invent a character.").output  # E: an await forgotten
    inventor.run_sync("x", model_settings={"tempurature": 0.5})  # E: a typo in an option
    inventor.run_sync("x", model_settings={"temperature": -1})  # E: an option out of range
    print(text)


def name(setting: str) -> Character:
    return inventor.run_sync(f"Invent a character who lives in {seting}.").output  # E: a typo in the text of the prompt


def field(character: Character) -> str:
    return writer.run_sync(f"Tell of {character.nmae}.").output  # E: a typo in a field of a parameter


def default(setting: str = 3) -> Character:  # E: a default of the wrong type
    return inventor.run_sync(f"Invent a character who lives in {setting}.").output
