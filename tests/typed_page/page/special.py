"""Special response types: `Logged`, `Reasoned`, `Scored`, tools, samples and votes."""

from collections.abc import Mapping
from typing import Annotated, Literal, assert_type

from house import Character, Hero, Verdict, judge, later, logged, make, make_hero, mood, rate, reasoned, scored
from pydantic import BaseModel
from returns.result import Result

from typefold import (
    ABSTAINED,
    Abstained,
    Best,
    Decisions,
    FinishReason,
    Logged,
    Matching,
    Message,
    OneOf,
    PromptError,
    Reasoned,
    Samples,
    Scored,
    ToolCall,
    Tools,
    Votes,
    ask,
    best_of,
    calibrate,
    calibrated_threshold,
    cascade,
    majority,
    prompt,
    user,
)


def search(query: str) -> list[str]:
    return [query]


def add(a: int, b: int) -> int:
    return a + b


class Done(BaseModel):
    answer: str


@prompt
def step(history: list[Message]) -> Annotated[ToolCall[list[str] | int], Tools(search, add)] | Done:
    return ask(history)


@prompt
def choose(task: str) -> Annotated[ToolCall[int], Tools(add)]:
    return ask(task)


@prompt
def plate(text: str) -> Annotated[str, Matching(r"[A-Z]{3}-\d{4}")]:
    return ask(text)


@prompt
def city(text: str) -> Annotated[str, OneOf(["Oslo", "Rome"])] | None:
    return ask(text)


# kind: logged, reasoned and scored answers
def answers() -> None:
    assert_type(logged("x"), Logged[Character])
    assert_type(logged("x").value.name, str)
    assert_type(logged("x").finish_reason, FinishReason)
    assert_type(reasoned("x"), Reasoned[int])
    assert_type(reasoned("x").reasoning, str)
    assert_type(reasoned.map(["x"]), list[Reasoned[int]])
    assert_type(scored("x"), Scored[Verdict])
    assert_type(scored("x").value, Literal["keep", "drop"])
    assert_type(scored("x").probabilities, Mapping[Verdict, float])
    assert_type(scored("x").probabilities["keep"], float)
    assert_type(plate("x"), str)
    assert_type(city.map(["x"]), list[str | None])
    wide: Logged[object] = logged("x")
    logged("x").name  # E: facts taken for the value
    logged("x").value.nmae  # E: a typo in a field
    logged("x").tokens  # E: a fact that there is not
    reasoned("x") + 1  # E: an answer with reasoning taken for a number
    reasoned("x").resoning  # E: a typo
    reasoned("x").value.upper()  # E: a method that numbers lack
    scored("x").upper()  # E: probabilities taken for the choice
    scored("x").probabilities["kep"]  # E: a choice that there is not
    scored("x").probability["keep"]  # E: a number read as a table
    verdicts: Scored[Literal["good", "bad"]] = scored("x")  # E: other choices
    number: Reasoned[str] = reasoned("x")  # E: another value
    logged.example("x", "y")  # E: an example of another type
    plate("x").groups  # E: a match for its text
    city("x").upper()  # E: None forgotten
    reasoned("x").value = 3  # E: a value changed
    print(wide, verdicts, number)


class Ticket(BaseModel):
    team: Scored[Literal["billing", "support"]]
    urgent: bool


@prompt
def sort(ticket: str) -> Ticket:
    return ask(ticket)


@prompt
def triage(ticket: str) -> Decisions[Ticket]:
    return ask(ticket)


# kind: decisions and probabilities of fields
def decisions() -> None:
    assert_type(sort("x").team, Scored[Literal["billing", "support"]])
    assert_type(sort("x").team.probabilities["billing"], float)
    assert_type(triage("x"), Decisions[Ticket])
    assert_type(triage.map(["x"])[0].value.team.value, Literal["billing", "support"])
    assert_type(triage("x").value.urgent, bool)
    assert_type(triage("x").value.team.outside, float | None)
    assert_type(triage("x").fields["urgent"].probability, float)
    team = sort("x").team.decide(abstain_below=0.8)
    assert_type(team, Literal["billing", "support"] | Abstained)
    if team is not ABSTAINED:
        assert_type(team, Literal["billing", "support"])
    bent = triage.using(calibration=calibrate(triage, ["x"], [triage("x").value]))
    assert_type(bent("x"), Decisions[Ticket])
    example = sort.example(Ticket(team=Scored.of("billing"), urgent=True), "x")
    sort("x").team.probabilities["biling"]  # E: a choice that there is not
    sort("x").team.upper()  # E: probabilities taken for the choice
    sort("x").tema  # E: a field that there is not
    triage("x").team  # E: decisions taken for the model
    triage("x").value.urgent.probability  # E: a plain field asked for its probability
    team.upper()  # E: abstention forgotten
    sort("x").team.decide()  # E: without the least probability
    Ticket(team="billing", urgent=True)  # E: a choice for its probabilities
    triage.using(calibration=0.5)  # E: a number for a calibration
    sort.example(Ticket(team=Scored.of("sales"), urgent=True), "x")  # E: an example of another choice
    print(example)


# kind: tools
def agent(question: str) -> str:
    history = [user(question)]
    assert_type(choose("x"), ToolCall[int])
    assert_type(choose("x")(), int)
    assert_type(choose.map(["x"]), list[ToolCall[int]])
    assert_type(ToolCall.of(add, 1, b=2), ToolCall[int])
    while True:
        said = step(history)
        if isinstance(said, Done):
            return said.answer
        assert_type(said, ToolCall[list[str] | int])
        assert_type(said(), list[str] | int)
        history += [user(str(said)), user(f"{said.name}: {said()}")]
        said.answer  # E: a call taken for an answer
        said().upper()  # E: a method that the results lack
        said("x")  # E: an argument for a call that has its own
        choose("x") + 1  # E: a call taken for its result
        choose("x")().upper()  # E: a method that numbers lack
        ToolCall.of(add, "1", 2)  # E: a text for a number
        ToolCall.of(add, 1)  # E: an argument left out
        texts: ToolCall[str] = choose("x")  # E: a call with another result
        print(texts)


# kind: samples and votes
def samples() -> None:
    drawn: Samples[[str], Character] = make.sample(3)
    assert_type(drawn("Mars"), list[Character])
    assert_type(make.sample(3)("Mars"), list[Character])
    assert_type(make.sample(3).map(["Mars"]), list[list[Character]])
    assert_type(judge.sample(3).safe("x"), list[Result[Verdict, PromptError]])
    assert_type(rate.sample(3).starmap([("x", 3)]), list[list[int]])
    assert_type(make_hero.sample(2)("Mars", cape=False), list[Hero])
    assert_type(majority(judge.sample(3)("x")), Votes[Verdict])
    assert_type(majority(judge.sample(3)("x")).winner, Verdict)
    assert_type(majority(judge.sample(3).safe("x")).winner, Verdict)
    assert_type(majority(reasoned.sample(3)("x"), key=lambda one: one.value).winner.value, int)
    assert_type(best_of(make.sample(3)("Mars"), lambda one: one.age), Best[Character])
    make.sample("3")  # E: a text for a number
    make.sample(3)(3)  # E: a number for a text
    make.sample(3)("Mars").name  # E: samples taken for one answer
    make.sample(3).map(["Mars"])[0].name  # E: rows of samples taken for one answer
    make.sample(3).map([3])  # E: rows of the wrong type
    rate.sample(3).starmap([("x", "3")])  # E: a row with a wrong part
    majority(judge.sample(3)("x")).winer  # E: a typo
    majority(judge.sample(3)("x")).winner.age  # E: an attribute that texts lack
    majority(make.sample(3)("Mars"), key=lambda one: one.nmae)  # E: a typo in a field, in a key
    best_of(make.sample(3)("Mars"), lambda one: one.name)  # E: a score that is a text
    best_of(make.sample(3)("Mars"), rate)  # E: a score of other arguments


@prompt
def scored_well(text: str) -> Scored[Verdict]:
    return ask(f"Think twice. {text}")


@prompt
def judge_both(text: str, other: str) -> Verdict:
    return ask(f"{text} or {other}?")


@prompt
async def judge_slowly(text: str) -> Verdict:
    return ask(text)


def is_unsure(answer: Scored[Verdict]) -> bool:
    return answer.probability < 0.5


def is_drop(answer: Verdict) -> bool:
    return answer == "drop"


# kind: cascades
def cascades(texts: list[str], labels: list[Verdict]) -> None:
    assert_type(cascade(scored, judge, doubt=0.8)("x"), Verdict)
    assert_type(cascade(scored, judge, doubt=0.8).map(texts), list[Verdict])
    assert_type(cascade(scored, scored_well, doubt=0.8)("x"), Scored[Verdict])
    assert_type(cascade(scored, judge, doubt=is_unsure)("x"), Verdict)
    assert_type(cascade(judge, judge)("x"), Verdict)
    assert_type(cascade(judge, judge, doubt=is_drop).safe("x"), Result[Verdict, PromptError])
    assert_type(cascade(judge.sample(3), judge, doubt=0.6)("x"), Verdict)
    assert_type(cascade(judge.sample(3), judge, doubt=lambda votes: votes.total < 3)("x"), Verdict)
    assert_type(cascade(scored, judge, doubt=0.8).counts.passed_on, int)
    assert_type(calibrated_threshold(zip(scored.map(texts), labels, strict=True)), float)
    assert_type(cascade(cascade(judge, judge), judge, doubt=is_drop)("x"), Verdict)
    cascade(judge, judge, doubt=0.8)  # E: a probability of an answer that has none
    cascade(judge, make)  # E: functions that return different types
    cascade(scored, make, doubt=0.8)  # E: a choice by one and an object by the other
    cascade(judge.sample(3), make, doubt=0.6)  # E: votes on another type
    cascade(judge_slowly, later)  # E: functions that are awaited and return different types
    cascade(judge, mood)  # E: other choices
    cascade(judge, judge_both)  # E: functions of other parameters
    cascade(scored, judge_both, doubt=0.8)  # E: a parameter that one of two lacks
    cascade(judge, judge_slowly)  # E: one that is awaited and one that is not
    cascade(make, make, doubt=is_drop)  # E: a function of another answer
    cascade(scored, judge, doubt="0.8")  # E: a text for a probability
    cascade(judge, str.upper)  # E: a function that is no prompt
    cascade(scored, judge, doubt=0.8)(3)  # E: an argument of the wrong type, of a cascade
    cascade(scored, judge, doubt=0.8)("x").nmae  # E: a typo in the answer of a cascade
    calibrated_threshold(zip(texts, labels, strict=True))  # E: texts for answers
