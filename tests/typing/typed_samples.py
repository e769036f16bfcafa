"""Types, as checkers see them, of samples, votes and scores. Nobody runs it; see `typed_cases.py`."""

from typing import Literal, assert_type

from returns.result import Result

from typefold import Best, PromptError, Reasoned, Samples, Scored, Votes, ask, best_of, majority, prompt, run

Verdict = Literal["keep", "drop"]


@prompt
def judge(text: str, least: int = 0) -> Verdict:
    return ask(text)


@prompt
def solve(text: str) -> Reasoned[int]:
    return ask(text)


@prompt
async def later(text: str) -> Verdict:
    return ask(text)


@prompt
def rate(text: str) -> Literal[1, 2, 3]:
    return ask(text)


@prompt
def scored(text: str) -> Scored[Literal[1, 2, 3]]:
    return ask(text)


class Critic:
    @prompt
    def rate(self, text: str) -> Verdict:
        return ask(text)


def samples(critic: Critic) -> None:
    drawn: Samples[[str], Verdict] = critic.rate.sample(3)
    assert_type(drawn("x"), list[Verdict])
    assert_type(judge.sample(3)("x"), list[Verdict])
    assert_type(judge.sample(3)("x", least=2), list[Verdict])
    assert_type(judge.sample(3).map(["x"]), list[list[Verdict]])
    assert_type(judge.sample(3).map(["x"], least=2), list[list[Verdict]])
    assert_type(judge.sample(3).starmap([("x", 2)]), list[list[Verdict]])
    assert_type(judge.sample(3).safe("x"), list[Result[Verdict, PromptError]])
    assert_type(judge.sample(3).safe.map(["x"]), list[list[Result[Verdict, PromptError]]])
    assert_type(critic.rate.sample(3)("x"), list[Verdict])
    assert_type(run(solve.sample(3), ["x"]), list[list[Reasoned[int]]])
    judge.sample(3)(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    judge.sample("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    judge.sample(3).map([3])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


async def awaited() -> None:
    assert_type(await later.sample(3)("x"), list[Verdict])
    assert_type(await later.sample(3).map(["x"]), list[list[Verdict]])
    assert_type(await later.sample(3).starmap([("x",)]), list[list[Verdict]])
    assert_type(await later.sample(3).safe("x"), list[Result[Verdict, PromptError]])
    assert_type(await later.sample(3).safe.starmap([("x",)]), list[list[Result[Verdict, PromptError]]])


def votes() -> None:
    assert_type(majority(judge.sample(3)("x")), Votes[Verdict])
    assert_type(majority(judge.sample(3).safe("x")), Votes[Verdict])
    assert_type(majority(judge.sample(3)("x")).winner, Verdict)
    assert_type(majority(solve.sample(3)("x"), key=lambda answer: answer.value).winner, Reasoned[int])


def best(texts: list[str], results: list[Result[str, PromptError]]) -> None:
    assert_type(best_of(texts, len), Best[str])
    assert_type(best_of(texts, rate).winner, str)
    assert_type(best_of(texts, scored).winner, str)
    assert_type(best_of(results, rate).winner, str)
    assert_type(best_of(texts, solve).score, float)
    best_of(texts, judge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
