"""Prompt functions where ordinary Python takes functions: maps, pools, tasks, protocols, generic functions, match."""

import asyncio
import functools
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypedDict, TypeVar, assert_never, assert_type

from house import Character, Hero, Mood, Verdict, judge, later, make, make_hero, mood, rate, scored
from pydantic import BaseModel
from typing_extensions import TypeForm

from typefold import AsyncPrompt, BatchError, Prompt, PromptUsageError, Runtime, ask, configure, gather, prompt, run

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
PromptT = TypeVar("PromptT", bound=Prompt[..., object])


class Asks(Protocol):
    def __call__(self, text: str) -> Verdict: ...


class Maps(Protocol[R_co]):
    def map(self, items: Iterable[str], /) -> Sequence[R_co]: ...


class Pair(NamedTuple):
    first: Prompt[[str], Verdict]
    second: Prompt[[str, int], int]


class Table(TypedDict):
    judge: Prompt[[str], Verdict]


class Holder(Generic[R]):
    shared: ClassVar[Prompt[[str], Verdict]] = judge

    def __init__(self, asked: Prompt[[str], R]) -> None:
        self.asked = asked

    def use(self, text: str) -> R:
        return self.asked(text)


@prompt
def positional(text: str, /, *, loud: bool = False) -> str:
    return ask(f"{text} {loud}")


@prompt
def many(*texts: str, **named: int) -> str:
    return ask(f"{texts} {named}")


@prompt
def nothing() -> int:
    return ask("x")


@prompt
def options(a: int, b: str = "", *, c: Sequence[int] = (), d: dict[str, Any] | None = None) -> list[dict[str, int]]:
    return ask(f"{a} {b} {c} {d}")


def asks(asked: Asks) -> Verdict:
    return asked(text="x")


def maps(asked: Maps[R]) -> Sequence[R]:
    return asked.map(["x"])


def same(asked: PromptT) -> PromptT:
    return asked


def either(asked: Prompt[[str], R] | AsyncPrompt[[str], R]) -> str:
    return asked.__name__


def extract(runtime: Runtime, kind: type[M], texts: Sequence[str]) -> list[M]:
    return [runtime.generate("x", output_type=kind), *runtime.generate(texts, output_type=kind)]


def extract_form(runtime: Runtime, kind: TypeForm[T]) -> T:
    return runtime.generate("x", output_type=kind)


# kind: ordinary Python
async def ordinary(settings: Sequence[str], pairs: list[tuple[str, int]], runtime: Runtime) -> None:
    assert_type(functools.partial(rate, "x")(stars=3), int)
    assert_type(list(itertools.starmap(rate, pairs)), list[int])
    with ThreadPoolExecutor() as pool:
        assert_type(pool.submit(make, "x").result(), Character)
        assert_type(list(pool.map(make, settings)), list[Character])
    plain: Callable[[str], Character] = make_hero
    awaited: Callable[[str], Awaitable[Character]] = later
    assert_type({setting: make(setting) for setting in settings}, dict[str, Character])
    assert_type(await asyncio.to_thread(make, "x"), Character)
    assert_type(await asyncio.gather(*[later(x) for x in ("a", "b")]), list[Character])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(later("x"))
    assert_type(task.result(), Character)
    assert_type(asks(judge), Verdict)
    assert_type(maps(make), Sequence[Character])
    assert_type(same(rate)("x", stars=3), int)
    assert_type(either(make) + either(later), str)
    assert_type(Pair(judge, rate).second("x", 3), int)
    table: Table = {"judge": judge}
    assert_type(table["judge"]("x"), Verdict)
    assert_type(Holder(make).use("x"), Character)
    assert_type(extract(runtime, Hero, ["x"]), list[Hero])
    assert_type(extract_form(runtime, int | None), int | None)
    deferred = {setting: make.defer(setting) for setting in settings}
    assert_type(gather(deferred.values()), list[Character])
    assert_type(sum(one.age for one in make.map(settings)), int)
    for index, result in run.stream(scored, settings):
        print(index, result.map(lambda one: one.probability).value_or(0.0))
    counts: dict[Verdict, int] = dict.fromkeys(judge.map(settings), 0)
    print(plain, awaited, counts, sorted(settings, key=judge))
    asks(mood)  # E: an answer that a protocol does not take
    maps(rate)  # E: a prompt of two arguments for a protocol
    pool.submit(make, 3)  # E: a number for a text, in a pool
    asyncio.to_thread(make, 3)  # E: a number for a text, in a thread
    list(map(make, [3]))  # E: a number for a text, in a map
    wrong: Callable[[int], Character] = make  # E: another function
    Pair(judge, judge)  # E: another prompt in a tuple
    other: Table = {"judge": mood}  # E: another prompt in a dictionary
    Holder(make).use("x").nmae  # E: a typo in a field, behind a class
    extract(runtime, int, ["x"])  # E: a class outside of the bound
    print(wrong, other)


# kind: parameters of every kind
def parameters(numbers: list[int], text: str) -> None:
    assert_type(positional("x", loud=True), str)
    assert_type(positional.map(["x"], loud=True), list[str])
    assert_type(many("a", "b", c=3), str)
    assert_type(many.map(["a"]), list[str])
    assert_type(nothing(), int)
    assert_type(nothing.sample(3)(), list[int])
    assert_type(nothing.submit().result(), int)
    assert_type(options.map(numbers, c=numbers, d={"x": 3}), list[list[dict[str, int]]])
    assert_type(options.map(numbers, "b"), list[list[dict[str, int]]])
    assert_type(options.starmap([(1, "x")]), list[list[dict[str, int]]])
    assert_type(options.starmap([(1,), (2,)]), list[list[dict[str, int]]])
    positional(text="x")  # E: a positional argument given by name
    many(3)  # E: a number for one of several texts
    many("a", c="x")  # E: a text for one of several numbers
    nothing("x")  # E: an argument where there is none
    nothing.map(["x"])  # E: rows for no argument
    options(1, c="a" if text else 3)  # E: one of two types for another
    options.map(["x"])  # E: rows of the wrong type
    positional.map([3], loud=True)  # E: rows of the wrong type, by place
    options.starmap([(1, 2)])  # E: a row with a wrong part, and a default left out


# kind: branches
def branches(text: str) -> int:
    if mood(text) is Mood.GRIM:
        return 3
    verdict = judge(text)
    match verdict:
        case "keep":
            return 1
        case "drop":
            return 0
        case _:
            assert_never(verdict)


def wrong_branches(text: str) -> str:
    if judge(text) == "kep":  # E: a comparison with what is no member
        return ""
    if mood(text) == "grim":  # E: an Enum compared with a text
        return ""
    match mood(text):
        case Mood.GRIMM:  # E: a typo in a member
            return ""
        case _:
            pass
    verdict = judge(text)
    match verdict:
        case "keep":
            return ""
        case _:
            assert_never(verdict)  # E: a member forgotten


def guarded(settings: list[str]) -> list[Character]:
    configure("Qwen/Qwen3-4B")
    with Runtime("Qwen/Qwen3-4B") as runtime:
        try:
            return make.using(runtime=runtime).map(settings)
        except BatchError as error:
            print(len(error.results))
            return []
        except PromptUsageError as error:
            print(error.nothing)  # E: an attribute that errors lack
            return []
