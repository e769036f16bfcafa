"""A prompt as a value: in parameters, fields, tables and lists, with type variables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar, assert_type

from house import Character, Hero, Verdict, find, judge, later, make, make_hero, mood, rate, rated
from returns.result import Result

from typefold import AsyncPrompt, Prompt, PromptError, run

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=Character)


def use(asked: Prompt[[str], R], texts: Sequence[str]) -> list[R]:
    return asked.map(texts)


def call(asked: Callable[[str], R], text: str) -> R:
    return asked(text)


def oldest(asked: Prompt[[str], C], texts: Sequence[str]) -> C:
    return max(asked.map(texts), key=lambda one: one.age)


def repeated(asked: Prompt[P, R], *args: P.args, **kwargs: P.kwargs) -> list[R]:
    return [asked(*args, **kwargs), asked.using(temperature=1)(*args, **kwargs)]


def cooler(asked: Prompt[P, R]) -> Prompt[P, R]:
    return asked.using(temperature=0.2)


def first(asked: Prompt[Concatenate[str, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
    return asked("x", *args, **kwargs)


def explained(prompts: Iterable[Prompt[..., object]]) -> list[str]:
    return [f"{asked.__name__}: {asked.__doc__} {asked.explain()}" for asked in prompts]


async def awaited(asked: AsyncPrompt[[str], R], text: str) -> R:
    return await asked(text)


@dataclass
class Job:
    asked: Prompt[[str], Character]
    backup: Prompt[[str], Character] | None = None
    others: list[Prompt[[str], Character]] = field(default_factory=list[Prompt[[str], Character]])


class Pipeline:
    def __init__(self, *steps: Prompt[[str], str]) -> None:
        self.steps = steps

    def __call__(self, text: str) -> str:
        for asked in self.steps:
            text = asked(text)
        return text


table: Mapping[str, Prompt[[str], Verdict | Character]] = {"judge": judge, "make": make}
by_name: dict[str, Prompt[[str], Character]] = {"plain": make, "hero": make_hero}
every: list[Prompt[..., object]] = [judge, make, rate, find]
wide: Prompt[[str], str | int] = judge
fewer: Prompt[[str], Hero] = make_hero


# kind: prompts as values
async def values(settings: Sequence[str]) -> None:
    assert_type(use(judge, settings), list[Verdict])
    assert_type(use(make, settings), list[Character])
    assert_type(use(make_hero, settings), list[Hero])
    assert_type(call(make, "x"), Character)
    assert_type(call(make.safe, "x"), Result[Character, PromptError])
    assert_type(oldest(make_hero, settings), Hero)
    assert_type(repeated(rate, "x", stars=3), list[int])
    assert_type(cooler(rate)("x", 3), int)
    assert_type(cooler(make_hero)("x", cape=False), Hero)
    assert_type(first(rate, 3), int)
    assert_type(explained([judge, rate]), list[str])
    assert_type(explained(every), list[str])
    assert_type(await awaited(later, "x"), Character)
    assert_type(await awaited(rated, "x"), Verdict)
    assert_type(Job(make).asked("x"), Character)
    assert_type(Job(make_hero, backup=make, others=[make, make_hero]).others[0]("x"), Character)
    assert_type(table["judge"]("x"), Verdict | Character)
    assert_type(by_name["plain"].map(settings), list[Character])
    assert_type(run(table["make"], settings), list[Verdict | Character])
    people: list[Character] = [asked("x") for asked in (make, make_hero)]
    verdicts: list[Verdict] = [asked(text) for text, asked in zip(settings, (judge, judge), strict=True)]
    assert_type(list(map(make, settings)), list[Character])
    assert_type(sorted(settings, key=lambda text: rate(text, 3)), list[str])
    use(rate, settings)  # E: a prompt of two arguments
    use(make.map, settings)  # E: a method for a prompt
    use(len, settings)  # E: a plain function for a prompt
    use(make("x"), settings)  # E: a value for a prompt
    use(later, settings)  # E: an async prompt for a plain one
    oldest(judge, settings)  # E: a prompt of another answer, for a bound
    repeated(rate, "x", stars="3")  # E: an argument of the wrong type, given on
    repeated(rate, "x")  # E: an argument left out, given on
    cooler(rate)("x", "3")  # E: an argument of the wrong type, behind a function
    cooler(make)("x").nmae  # E: a typo in a field, behind a function
    first(rate, "3")  # E: a later argument of the wrong type
    Job(judge)  # E: a prompt of another answer in a field
    Job(rate)  # E: a prompt of two arguments in a field
    Job(make).asked(3)  # E: a number for a text, behind a field
    Job(make).backup("x")  # E: None forgotten
    Pipeline(judge, mood)  # E: an answer that is no text
    table["judge"]("x").name  # E: one of two answers taken for the other
    table["judge"](3)  # E: a number for a text, behind a table
    wrong_table: dict[str, Prompt[[str], Character]] = {"judge": judge}  # E: a prompt of another answer in a table
    of_number: Prompt[[int], Verdict] = judge  # E: a prompt of other parameters
    narrow: Prompt[[str], Hero] = make  # E: a prompt of a wider answer
    needy: Prompt[[], Character] = make  # E: a prompt with a parameter too many
    await awaited(make, "x")  # E: a plain prompt for an async one
    make.__nmae__  # E: a typo in an attribute of the prompt
    print(people, verdicts, wrong_table, of_number, narrow, needy, wide, fewer)
