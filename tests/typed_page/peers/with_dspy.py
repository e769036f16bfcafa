"""The program with DSPy. The text of a prompt has no variables: the fields are sent along."""

import dspy
from pydantic import BaseModel


class Character(BaseModel):
    name: str
    age: int


class Make(dspy.Signature):
    """Invent a character who lives in the setting."""

    setting: str = dspy.InputField()
    character: Character = dspy.OutputField()


class Backstory(dspy.Signature):
    """Tell of the character."""

    character: Character = dspy.InputField()
    story: str = dspy.OutputField()


class CastOf(dspy.Signature):
    """Name characters of the play."""

    play: str = dspy.InputField()
    characters: list[Character] = dspy.OutputField()


class Find(dspy.Signature):
    """Find the villain."""

    text: str = dspy.InputField()
    villain: Character | None = dspy.OutputField()


make = dspy.Predict(Make, temperature=0.5)
backstory = dspy.Predict(Backstory)
cast_of = dspy.Predict(CastOf)
find = dspy.Predict(Find)


# kind: mistakes
async def program() -> None:
    hero = make(setting="Mars").character
    print(hero.name, backstory(character=hero).story, [each.age for each in cast_of(play="Hamlet").characters])
    print((await make.acall(setting="Venus")).character.name)
    make(setting=3)  # E: an argument of the wrong type
    make()  # E: an argument left out
    make(setting="Mars").character.nmae  # E: a typo in a field of the answer
    text: str = make(setting="Mars").character  # E: an answer assigned to another type
    cast_of(play="Hamlet").characters.name  # E: a list taken for one answer
    find(text="x").villain.name  # E: an answer that may be None
    make.acall(setting="Mars").character  # E: an await forgotten
    dspy.Predict(Make, tempurature=0.5)  # E: a typo in an option
    dspy.Predict(Make, temperature=-1)  # E: an option out of range
    print(text)


class Default(dspy.Signature):
    """Invent a character who lives in the setting."""

    setting: str = dspy.InputField(default=3)  # E: a default of the wrong type
    character: Character = dspy.OutputField()
