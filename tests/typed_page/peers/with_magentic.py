"""The program with magentic."""

from magentic import OpenaiChatModel, prompt
from pydantic import BaseModel


class Character(BaseModel):
    name: str
    age: int


@prompt("Invent a character who lives in {setting}.", model=OpenaiChatModel("gpt-4o", temperature=0.5))
def make(setting: str) -> Character: ...


@prompt("Tell of {character.name}, aged {character.age}.")
def backstory(character: Character) -> str: ...


@prompt("At most {most} characters of {play}.")
def cast_of(play: str, most: int = 3) -> list[Character]: ...


@prompt("Find the villain: {text}")
def find(text: str) -> Character | None: ...


@prompt("Invent a character who lives in {setting}.")
async def later(setting: str) -> Character: ...


# kind: mistakes
async def program() -> None:
    hero = make("Mars")
    print(hero.name, backstory(hero), [each.age for each in cast_of("Hamlet")], (await later("Venus")).name)
    make(3)  # E: an argument of the wrong type
    make()  # E: an argument left out
    make("Mars").nmae  # E: a typo in a field of the answer
    text: str = make("Mars")  # E: an answer assigned to another type
    cast_of("Hamlet").name  # E: a list taken for one answer
    find("x").name  # E: an answer that may be None
    later("Mars").name  # E: an await forgotten
    print(text)


def definitions() -> None:
    @prompt("Invent a character who lives in {seting}.")  # E: a typo in the text of the prompt
    def name(setting: str) -> Character: ...

    @prompt("Tell of {character.nmae}.")  # E: a typo in a field of a parameter
    def field(character: Character) -> str: ...

    @prompt("Invent a character who lives in {setting}.")
    def default(setting: str = 3) -> Character: ...  # E: a default of the wrong type

    OpenaiChatModel("gpt-4o", tempurature=0.5)  # E: a typo in an option
    OpenaiChatModel("gpt-4o", temperature=-1)  # E: an option out of range
