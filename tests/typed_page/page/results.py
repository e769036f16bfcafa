"""Results: values or errors, taken apart in the ways that the documentation of returns shows."""

from collections.abc import Sequence
from typing import assert_type

from house import Character, Hero, Verdict, judge, later, make, make_hero, rate, reasoned
from returns.future import FutureResult
from returns.methods import partition
from returns.result import Failure, Result, Success

from typefold import Invalid, PromptError, TimedOut, run


def greet(character: Character) -> str:
    return character.name


def judged(character: Character) -> Result[Verdict, PromptError]:
    return judge.safe(character.name)


# kind: results
def combined(result: Result[Character, PromptError], settings: Sequence[str]) -> str:
    assert_type(make.safe("Mars"), Result[Character, PromptError])
    assert_type(result.map(greet), Result[str, PromptError])
    assert_type(result.map(lambda one: one.age), Result[int, PromptError])
    assert_type(result.bind(judged), Result[Verdict, PromptError])
    assert_type(result.bind(lambda one: judge.safe(one.name)), Result[Verdict, PromptError])
    assert_type(result.value_or(None), Character | None)
    assert_type(result.unwrap(), Character)
    assert_type(result.failure(), PromptError)
    assert_type(result.alt(str), Result[Character, str])
    assert_type(result.lash(lambda _: make.safe("Venus")), Result[Character, PromptError])
    assert_type([each.value_or(None) for each in make.safe.map(settings)], list[Character | None])
    values, errors = partition(make.safe.map(settings))
    assert_type(values, list[Character])
    assert_type(errors, list[PromptError])
    for each in run.safe(make, settings):
        assert_type(each, Result[Character, Exception])
    result.name  # E: a result taken for its value
    result.map(len)  # E: a function of another type
    result.map(lambda one: one.nmae)  # E: a typo in a field, in a function
    result.bind(greet)  # E: a function that gives no result
    result.unwrap().nmae  # E: a typo in a field
    result.value_or(None).name  # E: None forgotten
    result.failure().nothing  # E: an attribute that errors lack
    make.safe.map(settings).value_or(None)  # E: a list taken for one result
    heroes: Result[Hero, PromptError] = make.safe("Mars")  # E: a result of another type
    other: Result[Character, TimedOut] = make.safe("Mars")  # E: another error
    judge(judge.safe("x"))  # E: a result given for its value
    make.safe(3)  # E: a number for a text
    rate.safe("x")  # E: an argument left out
    reasoned.safe("x").value  # E: a result taken for an answer with reasoning
    print(heroes, other)
    return make.safe("Mars")  # E: a failure ignored


# kind: results, narrowed
def matched(result: Result[Character, PromptError]) -> str:
    match result:
        case Success(character):
            assert_type(character, Character)
            character.nmae  # E: a typo behind case Success(value)
            return character.name
        case Failure(error):
            assert_type(error, PromptError)
            error.nothing  # E: a typo behind case Failure(error)
            if isinstance(error, Invalid):
                return error.text
            return str(error)
        case _:
            return ""


def matched_call(setting: str) -> int:
    match make_hero.safe(setting, cape=True):
        case Success(hero):
            return hero.age
        case Failure(_):
            return 0
        case _:
            return 0


def matched_wrongly(setting: str) -> int:
    match make.safe(setting):
        case Success(character):
            return character.name  # E: another type returned
        case _:
            return 0


def asked(result: Result[Character, PromptError]) -> str:
    if isinstance(result, Success):
        assert_type(result.unwrap(), Character)
        result.unwrap().nmae  # E: a typo behind isinstance(Success)
        return result.unwrap().name
    if isinstance(result, Failure):
        assert_type(result.failure(), PromptError)
        result.failure().nothing  # E: a typo behind isinstance(Failure)
    return ""


def of_batch(settings: Sequence[str]) -> list[str]:
    names: list[str] = []
    for result in make.safe.map(settings):
        match result:
            case Success(character):
                names.append(character.name)
                names.append(character.age)  # E: another type, in a batch
            case Failure(error):
                names.append(str(error))
            case _:
                pass
    return [*names, *(each.unwrap().name for each in make.safe.map(settings) if isinstance(each, Success))]


# kind: results that are awaited
async def awaited() -> None:
    chain = make.future("Mars").bind(lambda one: judge.future(one.name))
    assert_type(chain, FutureResult[Verdict, PromptError])
    assert_type(make.future("Mars").map(greet), FutureResult[str, PromptError])
    assert_type(await later.safe("Mars"), Result[Character, PromptError])
    match await later.safe("Mars"):
        case Success(character):
            assert_type(character, Character)
            character.nmae  # E: a typo in a field
        case _:
            pass
    make.future("Mars").map(len)  # E: a function of another type
    make.future("Mars").name  # E: a future taken for its value
    (await later.safe("Mars")).name  # E: a result taken for its value
