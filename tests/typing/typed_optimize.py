"""Types, as checkers see them, of searches: `optimize` and `optimized` return the function's own type. Nobody runs it; see `typed_cases.py`."""

from collections.abc import Callable, Coroutine
from typing import Any, Literal, assert_type

from typefold import AsyncPrompt, Prompt, Scored, ask, prompt
from typefold.evaluation import Case
from typefold.optimization import Optimization, OptimizedPrompts, optimize, optimized

Kind = Literal["bill", "other"]


@prompt
def sort(mail: str, language: str = "English") -> Scored[Kind]:
    return ask(f"Kind? {mail}")


@prompt
async def sort_later(mail: str) -> Kind:
    return ask(f"Kind? {mail}")


def program(mail: str) -> Kind:
    return sort(mail).value


async def program_later(mail: str) -> Kind:
    return await sort_later(mail)


CASES: list[Case[str, Kind]] = [Case("Pay now.", "bill")]


def searches() -> None:
    found = optimize(sort, CASES, validation=CASES, budget=300)
    assert_type(found, Optimization[Prompt[[str, str], Scored[Kind]]])  # type: ignore[assert-type]  # pyright: ignore[reportAssertTypeFailure]  # its parameters have names
    better = found.function
    assert_type(better("Pay now.", language="English"), Scored[Kind])
    assert_type(better.map(["Pay now."]), list[Scored[Kind]])
    assert_type(optimize(sort_later, CASES).function, AsyncPrompt[[str], Kind])  # type: ignore[assert-type]  # pyright: ignore[reportAssertTypeFailure]  # as above
    assert_type(optimize(program, CASES).function(mail="Pay now."), Kind)
    later: list[Callable[[str], Coroutine[Any, Any, Kind]]] = []
    later += [optimize(program_later, CASES).function, optimize(sort_later, CASES).function]
    assert_type(optimized(sort, "sort.json")("Pay now."), Scored[Kind])
    assert_type(optimized(program, OptimizedPrompts("program", ()))("Pay now."), Kind)


def mistakes() -> None:
    optimize(sort, CASES, budgets=300)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no such option
    optimize(sort, CASES, strategy="greedy")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no such strategy
    optimize(sort, ["Pay now."])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]  # rows without labels
