"""Prompt functions of classes: methods, class methods and static methods, `@prompt` above and below."""

import asyncio
import sys
from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest
from returns.result import Success

from typefold import PromptUsageError, Runtime, ask, prompt
from typefold.runtime import Request
from typefold.runtime.engines.scripted import ScriptedEngine


def last_word(request: Request) -> str:
    assert not isinstance(request.prompt, str)
    return request.prompt[-1].content.split()[-1]


class Critic:
    taste = "harsh"

    def __init__(self, taste: str) -> None:
        self.taste = taste

    @prompt
    def rate(self, text: str) -> str:
        return ask(f"{self.taste} {text}")

    @prompt
    @classmethod
    def judge(cls, text: str) -> str:
        """A {{ cls.taste }} one judges {{ text }}"""
        return ask()

    @classmethod
    @prompt
    def above(cls, text: str) -> str:
        return ask(f"{cls.__name__} {text}")

    @prompt(temperature=0)
    @staticmethod
    def sum_up(text: str, count: int = 1) -> str:
        return ask(f"{count} {text}")

    @staticmethod
    @prompt(temperature=0)
    def static_above(text: str) -> str:
        return ask(f"sum up {text}")

    @prompt
    @classmethod
    async def later(cls, text: str) -> str:
        return ask(f"{cls.__name__} {text}")


class Mild(Critic):
    taste = "mild"


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(answers=last_word)


@pytest.fixture(autouse=True)
def runtime(engine: ScriptedEngine) -> Any:
    with Runtime(engine, deduplicate=False) as runtime:
        yield runtime


def asked(engine: ScriptedEngine) -> list[str]:
    return [request.prompt[-1].content for request in engine.requests if not isinstance(request.prompt, str)]


def test_a_class_method_is_bound_to_the_class_that_it_is_seen_from(engine: ScriptedEngine) -> None:
    assert Critic.judge("x") == "x"
    assert Mild.judge.map(["y", "z"]) == ["y", "z"]
    assert Mild("wild").judge.safe("x") == Success("x")
    assert asked(engine) == [
        "A harsh one judges x",
        "A mild one judges y",
        "A mild one judges z",
        "A mild one judges x",
    ]


def test_every_way_of_asking_a_class_method_takes_what_is_left_of_its_parameters() -> None:
    judge = Mild.judge.using(temperature=0)
    assert judge.starmap([("x",)]) == ["x"]
    assert judge.submit("x").result() == judge.defer("x").result() == judge.stream("x").result() == "x"
    assert judge.with_examples(judge.example("good", "bad")).render("x")[1].content == "good"  # type: ignore[union-attr]  # it is no raw prompt
    with pytest.raises(TypeError, match=r"Critic.judge\(\) too many positional arguments"):
        Mild.judge("x", "y")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_a_static_method_is_bound_to_nothing(engine: ScriptedEngine) -> None:
    assert [Critic.sum_up("x"), Critic("").sum_up("y"), Critic("").static_above("z")] == ["x", "y", "z"]
    assert Critic("").sum_up.map(["x"], count=2) == Critic.static_above.map(["x"]) == ["x"]
    assert asked(engine) == ["1 x", "1 y", "sum up z", "2 x", "sum up x"]


def test_async_class_methods_are_bound_alike(engine: ScriptedEngine) -> None:
    async def main() -> None:
        assert await Mild.later("x") == "x"
        assert await Mild("").later.map(["y"]) == ["y"]

    asyncio.run(main())
    assert asked(engine) == ["Mild x", "Mild y"]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="a classmethod asks what it holds no more")
def test_below_classmethod_it_is_the_same_until_python_3_12(engine: ScriptedEngine) -> None:
    assert [Critic.above("x"), Mild("").above("y"), *Mild.above.map(["z"])] == ["x", "y", "z"]
    assert asked(engine) == ["Critic x", "Mild y", "Mild z"]


def test_below_classmethod_calls_work_everywhere_and_the_rest_says_what_to_write() -> None:
    since_python_3_13: Callable[[str], str] = MethodType(Critic.__dict__["above"].__func__, Mild)
    assert since_python_3_13("x") == "x"
    with pytest.raises(
        TypeError, match="where @classmethod stands above @prompt, only calls of the class method work: write it below"
    ):
        since_python_3_13.map(["x"])  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]


def test_what_is_no_function_is_refused_below_them_too() -> None:
    with pytest.raises(PromptUsageError, match="goes on a function, not on int"):
        prompt(staticmethod(3))  # type: ignore[arg-type]  # pyright: ignore
