"""The program with typefold."""

from pydantic import BaseModel

from typefold import ask, prompt


class Character(BaseModel):
    name: str
    age: int


@prompt(temperature=0.5)
def make(setting: str) -> Character:
    return ask(f"Invent a character who lives in {setting}.")


@prompt
def backstory(character: Character) -> str:
    """Tell of {{ character.name }}, aged {{ character.age }}."""
    return ask()


@prompt
def cast_of(play: str, most: int = 3) -> list[Character]:
    return ask(f"At most {most} characters of {play}.")


@prompt
def find(text: str) -> Character | None:
    return ask(f"Find the villain: {text}")


@prompt
async def later(setting: str) -> Character:
    return ask(f"Invent a character who lives in {setting}.")


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
    @prompt
    def name(setting: str) -> Character:
        """Invent a character who lives in {{ seting }}."""  # E: a typo in the text of the prompt
        return ask()

    @prompt
    def field(character: Character) -> str:
        """Tell of {{ character.nmae }}."""  # E: a typo in a field of a parameter
        return ask()

    @prompt
    def default(setting: str = 3) -> Character:  # E: a default of the wrong type
        return ask(setting)

    @prompt(tempurature=0.5)  # E: a typo in an option
    def option(setting: str) -> Character:
        return ask(setting)

    @prompt(temperature=-1)  # E: an option out of range
    def out_of_range(setting: str) -> Character:
        return ask(setting)
