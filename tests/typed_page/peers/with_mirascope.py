"""The program with mirascope."""

from mirascope import llm
from pydantic import BaseModel


class Character(BaseModel):
    name: str
    age: int


@llm.call("openai/gpt-4o", format=Character, temperature=0.5)
def make(setting: str) -> str:
    return f"Invent a character who lives in {setting}."


@llm.call("openai/gpt-4o")
def backstory(character: Character) -> str:
    return f"Tell of {character.name}, aged {character.age}."


@llm.call("openai/gpt-4o", format=list[Character])
def cast_of(play: str, most: int = 3) -> str:
    return f"At most {most} characters of {play}."


@llm.call("openai/gpt-4o", format=Character)
async def later(setting: str) -> str:
    return f"Invent a character who lives in {setting}."


# kind: mistakes
async def program() -> None:
    hero = make("Mars").parse()
    print(hero.name, backstory(hero).text(), [each.age for each in cast_of("Hamlet").parse()])
    print((await later("Venus")).parse().name)
    make(3)  # E: an argument of the wrong type
    make()  # E: an argument left out
    make("Mars").parse().nmae  # E: a typo in a field of the answer
    text: str = make("Mars").parse()  # E: an answer assigned to another type
    cast_of("Hamlet").parse().name  # E: a list taken for one answer
    later("Mars").parse()  # E: an await forgotten
    print(text)


def definitions() -> None:
    @llm.call("openai/gpt-4o", format=Character)
    def name(setting: str) -> str:
        return f"Invent a character who lives in {seting}."  # E: a typo in the text of the prompt

    @llm.call("openai/gpt-4o")
    def field(character: Character) -> str:
        return f"Tell of {character.nmae}."  # E: a typo in a field of a parameter

    @llm.call("openai/gpt-4o", format=Character)
    def default(setting: str = 3) -> str:  # E: a default of the wrong type
        return f"Invent a character who lives in {setting}."

    @llm.call("openai/gpt-4o", format=Character, tempurature=0.5)  # E: a typo in an option
    def option(setting: str) -> str:
        return f"Invent a character who lives in {setting}."

    @llm.call("openai/gpt-4o", format=Character, temperature=-1)  # E: an option out of range
    def out_of_range(setting: str) -> str:
        return f"Invent a character who lives in {setting}."
