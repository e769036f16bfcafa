"""Types and prompts of the page: right, every line of it. The other files use them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Literal, NewType, TypedDict

from pydantic import BaseModel, Field

from typefold import Logged, Reasoned, Scored, ask, assistant, prompt, system, user

Verdict = Literal["keep", "drop"]
Text = NewType("Text", str)


class Mood(Enum):
    GRIM = "grim"
    FUNNY = "funny"


class Character(BaseModel):
    name: Annotated[str, Field(max_length=40)]
    age: Annotated[int, Field(ge=0, le=120)]
    friends: list[str] = []


class Hero(Character):
    cape: bool


@dataclass
class Point:
    x: int
    y: int


class Row(TypedDict):
    text: str
    stars: int


@prompt
def make(setting: str) -> Character:
    return ask(f"Invent a character who lives in {setting}.")


@prompt(temperature=0.8, max_tokens=80)
def make_hero(setting: str, century: int = 20, *, cape: bool = True) -> Hero:
    """Invent a hero."""
    return ask(f"Invent a hero of {setting}, {century}, with a cape: {cape}.")


@prompt
def judge(text: str) -> Verdict:
    """Is this any good? {{ text }}"""
    return ask()


@prompt(seed=3)
def mood(text: str) -> Mood:
    return ask(system("Answer in one word."), user(f"How does this sound? {text}"), assistant("It sounds"))


@prompt
def backstory(character: Character, tone: Literal["grim", "funny"]) -> str:
    return ask(f"A {tone} story of {character.name}, aged {character.age}, and {', '.join(character.friends)}.")


@prompt
def rate(text: str, stars: int) -> int:
    return ask(f"{stars}: {text}")


@prompt
def find(text: str) -> Point | None:
    return ask(text)


@prompt
def cast_of(play: str, most: int = 3) -> list[Character]:
    return ask(f"At most {most} characters of {play}")


@prompt
async def later(text: str) -> Character:
    return ask(text)


@prompt(temperature=0)
async def rated(text: str, stars: int = 3) -> Verdict:
    return ask(f"{stars}: {text}")


@prompt
def logged(text: str) -> Logged[Character]:
    return ask(text)


@prompt
def reasoned(question: str) -> Reasoned[int]:
    return ask(question)


@prompt
def scored(text: str) -> Scored[Verdict]:
    return ask(text)


def scene(setting: str) -> tuple[Character, str]:
    hero = make(setting)
    text = backstory(hero, tone="grim")
    return (hero, text) if judge(text) == "keep" else scene(setting)


async def scene_async(setting: str) -> Verdict:
    hero = await later(setting)
    return await rated(hero.name)


def longest(texts: Sequence[str]) -> str:
    return max(texts, key=len)
