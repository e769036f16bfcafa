"""Prompt functions in classes: methods, class methods, static methods, in subclasses and generic classes."""

from abc import ABC, abstractmethod
from typing import Generic, Literal, TypeVar, assert_type

from house import Character, Verdict
from returns.result import Result

from typefold import Prompt, PromptError, ask, prompt

T = TypeVar("T")


class Critic:
    def __init__(self, taste: str) -> None:
        self.taste = taste

    @prompt
    def rate(self, text: str, most: int = 5) -> int:
        return ask(f"Rate {text} from 0 to {most}, by {self.taste}.")

    @prompt(temperature=0)
    def mood(self, text: str) -> Literal["grim", "funny"]:
        return ask(f"{self.taste}: {text}")

    @prompt
    async def later(self, text: str) -> Verdict:
        return ask(f"{self.taste}: {text}")

    @prompt
    @classmethod
    def named(cls, name: str) -> Character:
        return ask(f"{cls.__name__} {name}")

    @prompt
    @staticmethod
    def length(text: str) -> int:
        return ask(text)

    @property
    def verdicts(self) -> list[int]:
        return self.rate.map(["a", "b"])


class Mild(Critic):
    @prompt
    def rate(self, text: str, most: int = 5) -> int:
        return ask(f"Rate {text} mildly from 0 to {most}, by {self.taste}.")

    @prompt
    def mood(self, text: str) -> Literal["funny"]:
        return ask(text)


class Box(Generic[T]):
    def __init__(self, item: T) -> None:
        self.item = item

    @prompt
    def describe(self, tone: str) -> str:
        return ask(f"{self.item} {tone}")

    @prompt
    def same(self, item: T) -> bool:
        return ask(f"{self.item} {item}")


class Teller(ABC):
    @property
    @abstractmethod
    def tell(self) -> Prompt[[str], str]: ...

    def twice(self, text: str) -> list[str]:
        return self.tell.map([text, text])


class Storyteller(Teller):
    @property
    def tell(self) -> Prompt[[str], str]:
        return story


@prompt
def story(topic: str) -> str:
    return ask(topic)


# kind: methods
async def calls(critic: Critic, mild: Mild, box: Box[int]) -> None:
    assert_type(critic.rate("x"), int)
    assert_type(critic.rate("x", most=3), int)
    assert_type(critic.rate.map(["x"], most=3), list[int])
    assert_type(critic.rate.safe("x"), Result[int, PromptError])
    assert_type(critic.mood.using(seed=3)("x"), Literal["grim", "funny"])
    assert_type(await critic.later("x"), Verdict)
    assert_type(await critic.later.map(["x"]), list[Verdict])
    assert_type(Critic.rate(critic, "x"), int)
    assert_type(Critic.named("Ada"), Character)
    assert_type(critic.named.map(["Ada"]), list[Character])
    assert_type(Critic.length("x"), int)
    assert_type(critic.length.map(["x"]), list[int])
    assert_type(critic.rate.submit("x").result(), int)
    assert_type(mild.rate("x"), int)
    assert_type(mild.mood("x"), Literal["funny"])
    assert_type(Mild.named("Ada"), Character)
    assert_type(box.describe("calm"), str)
    assert_type(box.same(3), bool)
    assert_type(Storyteller().twice("x"), list[str])
    critic.rate(3)  # E: a number for a text
    critic.rate()  # E: no argument
    critic.rate("x", "5")  # E: a text for a number
    critic.rate.map([3])  # E: rows of the wrong type
    critic.rat("x")  # E: a method's name mistyped
    critic.mood("x").vlaue  # E: an attribute that texts lack
    Critic.rate("x")  # E: the instance left out
    Critic.named(3)  # E: a class method's argument
    Critic.named("Ada").nmae  # E: a class method's answer
    critic.length(text=3)  # E: a static method's argument
    critic.named.map([3])  # E: rows of a class method
    box.same("3")  # E: another type than the box's
    (await critic.later("x")).vlaue  # E: an awaited method's answer
    critic.verdicts[0].upper()  # E: an attribute that numbers lack
    critic.rate.using(tempurature=1)  # E: an option of a method
    mood: Literal["sad"] = mild.mood("x")  # E: another Literal
    print(mood)


# kind: overriding
class Wrong(Critic):
    @prompt
    def rate(self, text: int, most: int = 5) -> int:  # E: another type of a parameter
        return ask(f"{text} {most}")

    @prompt
    def mood(self, text: str) -> Literal["sad"]:  # E: another type of answer
        return ask(text)

    @prompt
    @staticmethod
    def length(text: str, least: int) -> int:  # E: a further parameter
        return ask(f"{text} {least}")


class WrongTeller(Teller):
    @property
    def tell(self) -> Prompt[[int], str]:  # E: a prompt of other parameters
        return Prompt_of_int


@prompt
def Prompt_of_int(number: int) -> str:
    return ask(f"{number}")
