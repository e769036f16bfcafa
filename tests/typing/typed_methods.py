"""Types, as checkers see them, of prompt functions in classes, `@prompt` above and below. Nobody runs it.

As in `typed_cases.py`, `assert_type` must hold exactly, and a line with an `ignore` must be an error.
"""

from typing import Generic, Literal, TypeVar, assert_type

from pydantic import BaseModel
from returns.result import Result

from typefold import AsyncPrompt, AsyncStream, Deferred, Message, Prompt, PromptError, Stream, ask, prompt
from typefold.messages import RawPrompt

Verdict = Literal["keep", "drop"]
T = TypeVar("T")


class Critic:
    @prompt
    def rate(self, text: str) -> Verdict:
        return ask(text)

    @prompt
    def sum_up(self) -> int:
        return ask("x")

    @prompt
    @classmethod
    def judge(cls, text: str, least: int = 0) -> Verdict:
        """{{ cls.__name__ }} {{ text }} {{ least }}"""
        return ask()

    @classmethod
    @prompt(temperature=0)
    def above(cls, text: str) -> Verdict:
        return ask(f"{cls.__name__} {text}")

    @prompt(temperature=0)
    @staticmethod
    def static(text: str) -> Verdict:
        return ask(text)

    @staticmethod
    @prompt
    def static_above(text: str) -> Verdict:
        return ask(text)

    @staticmethod
    @prompt
    def nothing() -> int:
        return ask("x")

    @prompt
    @classmethod
    async def later(cls, text: str) -> Verdict:
        return ask(f"{cls.__name__} {text}")

    def use(self) -> None:
        assert_type(self.rate("x"), Verdict)
        assert_type(self.judge("x"), Verdict)
        assert_type(self.static("x"), Verdict)


class Mild(Critic):
    pass


class Box(Generic[T]):
    @prompt
    def put(self, item: T) -> int:
        return ask(f"{item}")

    @prompt
    @classmethod
    def made(cls, item: T) -> list[T]:
        return ask(f"{cls.__name__} {item}")


class Page(BaseModel, Generic[T]):
    items: list[T]


@prompt
def page(count: int) -> Page[Verdict]:
    return ask(f"{count}")


def generic_models() -> None:
    assert_type(page(3), Page[Verdict])
    assert_type(page.map([3])[0].items, list[Verdict])
    assert_type(page.render(3), tuple[Message, ...] | RawPrompt)
    page.render("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def methods(critic: Critic) -> None:
    rate: Prompt[[str], Verdict] = critic.rate
    assert_type(rate("x"), Verdict)
    assert_type(critic.rate.map(["x"]), list[Verdict])
    assert_type(critic.sum_up(), int)
    assert_type(Critic.rate(critic, "x"), Verdict)
    assert_type(Critic.rate.map([critic], "x"), list[Verdict])
    assert_type(Box[str]().put("x"), int)
    assert_type(Box[str]().put.map(["x"]), list[int])


def class_methods(critic: Critic, kind: type[Critic]) -> None:
    assert_type(Critic.judge("x"), Verdict)
    assert_type(Critic.judge("x", least=3), Verdict)
    assert_type(Critic.judge.map(["x"], least=3), list[Verdict])
    assert_type(Critic.judge.starmap([("x", 3)]), list[Verdict])
    assert_type(Critic.judge.safe("x"), Result[Verdict, PromptError])
    assert_type(Critic.judge.defer("x"), Deferred[Verdict])
    assert_type(Critic.judge.stream("x"), Stream[Verdict])
    assert_type(Critic.judge.using(temperature=1)("x"), Verdict)
    assert_type(critic.judge.map(["x"]), list[Verdict])
    assert_type(kind.judge("x"), Verdict)
    assert_type(Mild.judge.map(["x"]), list[Verdict])
    assert_type(Mild().judge("x"), Verdict)
    assert_type(Critic.above("x"), Verdict)
    assert_type(critic.above.map(["x"]), list[Verdict])
    assert_type(Box[str].made("x"), list[str])
    assert_type(Box[str]().made.map(["x"]), list[list[str]])


def static_methods(critic: Critic) -> None:
    assert_type(Critic.static("x"), Verdict)
    assert_type(Critic.static.map(["x"]), list[Verdict])
    static: Prompt[[str], Verdict] = critic.static
    assert_type(static("x"), Verdict)
    assert_type(critic.static.map(["x"]), list[Verdict])
    assert_type(Critic.static_above("x"), Verdict)
    assert_type(critic.static_above.map(["x"]), list[Verdict])
    assert_type(Critic.nothing(), int)
    assert_type(critic.nothing(), int)


async def awaited(critic: Critic) -> None:
    bound: AsyncPrompt[[str], Verdict] = Critic.later
    assert_type(await bound("x"), Verdict)
    assert_type(await critic.later("x"), Verdict)
    assert_type(await Critic.later.map(["x"]), list[Verdict])
    assert_type(await Mild.later.safe("x"), Result[Verdict, PromptError])
    assert_type(Critic.later.stream("x"), AsyncStream[Verdict])


def wrong(critic: Critic) -> None:
    critic.rate(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    critic.rate(critic, "x")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    Critic.judge(Critic, "x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Critic.judge.map([3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    critic.judge(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Critic.above(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Critic.static(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    critic.static(critic, "x")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
