"""Calls of prompt functions, of one row and of many; bodies; options; examples."""

from collections.abc import Iterator, Sequence
from typing import Literal, assert_type

import polars
from house import Character, Hero, Mood, Point, Row, Text, Verdict, cast_of, find, judge, make, make_hero, mood, rate
from returns.result import Result

from typefold import PromptError, Runtime, ask, example, prompt, system, user


# kind: arguments of calls
def one_row(setting: str, text: Text, number: int, maybe: str | None) -> None:
    assert_type(make("Mars"), Character)
    assert_type(make(setting=setting), Character)
    assert_type(make(text), Character)
    assert_type(make_hero("Mars"), Hero)
    assert_type(make_hero("Mars", 19, cape=False), Hero)
    assert_type(judge("x"), Literal["keep", "drop"])
    assert_type(mood(setting), Mood)
    assert_type(rate(stars=number, text="x"), int)
    assert_type(rate(make("Mars").name, len(cast_of("Hamlet"))), int)
    make(number)  # E: a number for a text
    make()  # E: no argument
    make("Mars", 19)  # E: an argument too many
    make(seting="Mars")  # E: a parameter's name mistyped
    make(maybe)  # E: perhaps no text
    make_hero("Mars", "19")  # E: a text for a number, with a default
    make_hero("Mars", 19, False)  # E: a keyword argument given by place
    rate("x")  # E: the second argument left out
    rate("x", stars=None)  # E: None for a number
    judge(make("Mars"))  # E: a whole model for a text
    judge(["x"])  # E: a list for one text
    mood(mood("x"))  # E: an Enum for a text
    make(find)  # E: a prompt for its answer


# kind: arguments of batches
def many_rows(settings: Sequence[str], texts: list[Text], endless: Iterator[str], numbers: list[int]) -> None:
    assert_type(make.map(settings), list[Character])
    assert_type(make.map(endless), list[Character])
    assert_type(make.map({"Mars", "Venus"}), list[Character])
    assert_type(judge.map(texts), list[Verdict])
    assert_type(make_hero.map(settings, 19, cape=False), list[Hero])
    assert_type(make_hero.map(settings, century=19), list[Hero])
    assert_type(rate.map(settings, stars=3), list[int])
    assert_type(find.map(settings), list[Point | None])
    assert_type(rate.starmap(zip(settings, numbers, strict=True)), list[int])
    assert_type(rate.starmap([("x", 3)]), list[int])
    assert_type(make_hero.starmap([("Mars",)]), list[Hero])
    assert_type(make_hero.starmap([("Mars", 19)]), list[Hero])
    assert_type(make.safe.map(settings), list[Result[Character, PromptError]])
    assert_type(cast_of.map(settings), list[list[Character]])
    make.map(numbers)  # E: rows of the wrong type
    make.map(["Mars", 19])  # E: one row of the wrong type
    make.map(3)  # E: no rows at all
    make.map()  # E: rows left out
    rate.map(settings)  # E: a constant left out
    rate.map(settings, stars="3")  # E: a constant of the wrong type
    rate.map(settings, star=3)  # E: a constant's name mistyped
    rate.starmap([("x", "3")])  # E: a row with a wrong part
    rate.starmap([("x",)])  # E: a row too short
    rate.starmap([("x", 3, 4)])  # E: a row too long
    rate.starmap(settings)  # E: texts for tuples
    make.safe.map(numbers)  # E: rows of the wrong type, safe


# kind: tables
def tables(frame: polars.DataFrame, column: polars.Series, rows: list[Row], texts: list[str]) -> None:
    assert_type(rate.map_rows(frame), list[int])
    assert_type(rate.map_rows(frame, stars=3), list[int])
    assert_type(rate.map_rows(rows), list[int])
    assert_type(rate.map_rows([{"text": "x", "stars": 3}]), list[int])
    assert_type(judge.map(column), list[Verdict])
    assert_type(rate.safe.map_rows(frame), list[Result[int, PromptError]])
    rate.map_rows(texts)  # E: texts for rows with names
    rate.map_rows("x")  # E: a text for rows
    rate.map_rows(3)  # E: a number for rows
    rate.map_rows(frame)[0].upper()  # E: a method that the answer lacks


# kind: answers
def answers(setting: str, settings: Sequence[str]) -> str:
    hero = make_hero(setting)
    assert_type(hero.name, str)
    assert_type(hero.friends, list[str])
    assert_type(make.map(settings)[0].age, int)
    place = find(setting)
    if place is not None:
        assert_type(place.x, int)
    if judge(setting) == "keep":
        return hero.name
    wide: Character = hero
    every: Sequence[Character] = make_hero.map(settings)
    hero.nmae  # E: a typo in a field
    make(setting).cape  # E: a field that only a subclass has
    make.map(settings)[0].nmae  # E: a typo in a field, in a batch
    make.map(settings).name  # E: a list taken for one answer
    find(setting).x  # E: None forgotten
    cast_of(setting).name  # E: a list in the answer taken for one
    mood(setting).vlaue  # E: a typo in an Enum's attribute
    mood(setting).upper()  # E: an Enum taken for a text
    number: int = judge(setting)  # E: a text assigned to a number
    narrow: Hero = make(setting)  # E: the base class assigned to a subclass
    exact: Literal["keep", "discard"] = judge(setting)  # E: another Literal
    names: list[str] = make.map(settings)  # E: a list of others
    make(setting).age + "1"  # E: a number added to a text
    make(setting)["name"]  # E: a model read as a dictionary
    list(make(setting).age)  # E: a number looped over
    print(wide, every, number, narrow, exact, names)
    return make(setting).age  # E: a number returned for a text


# kind: bodies
@prompt
def typo_in_name(setting: str) -> str:
    return ask(f"Invent a character who lives in {seting}.")  # E: a typo in a parameter


@prompt
def typo_in_attribute(character: Character) -> str:
    return ask(f"Tell of {character.nmae}.")  # E: a typo in a parameter's field


@prompt
def wrong_message(number: int) -> str:
    return ask(number)  # E: a number for a message


@prompt
def wrong_part(text: str) -> str:
    return ask(system(3), user(text))  # E: a number in a system message


@prompt
def wrong_default(text: str = 3) -> str:  # E: a default of the wrong type
    return ask(text)


@prompt
def wrong_default_name(tone: Literal["grim", "funny"] = "grimm") -> str:  # E: a default that is no member
    return ask(tone)


@prompt
def no_return(text: str) -> str:  # E: the return left out
    ask(text)  # E: ^


# kind: options
def options(runtime: Runtime) -> None:
    assert_type(make.using(temperature=0.5, max_tokens=80)("Mars"), Character)
    assert_type(make.using(runtime=runtime, timeout=3, retries=2).map(["Mars"]), list[Character])
    assert_type(make_hero.using(stop_token_ids=[1], truncation="error")("Mars", cape=False), Hero)
    make.using(tempurature=0.5)  # E: a typo in an option
    make.using(temperature="hot")  # E: a text for a number
    make.using(max_tokens=1.5)  # E: a fraction for a whole number
    make.using(truncation="fail")  # E: a value that is not on the list
    make.using(stop=3)  # E: a number for texts
    make.using(runtime="Qwen/Qwen3-4B")  # E: a name for a runtime
    make.using(0.5)  # E: an option given by place
    make.using(temperature=0.5)("Mars").nmae  # E: a typo in a field, behind options


# kind: options of @prompt
@prompt(temperature=0.5, describe_format=False, json_format="compact", retries=1, chat_template_kwargs={"a": 1})
def with_options(text: str) -> Point:
    return ask(text)


def wrong_options() -> None:
    @prompt(tempurature=0.5)  # E: a typo in an option
    def option_mistyped(text: str) -> str:
        return ask(text)

    @prompt(max_tokens="80")  # E: a text for a number
    def option_of_text(text: str) -> str:
        return ask(text)

    @prompt(json_format="tigt")  # E: a value that is not on the list
    def option_not_listed(text: str) -> Point:
        return ask(text)


# kind: examples
def examples() -> None:
    shown = rate.with_examples(rate.example(3, "x", 4), rate.example(2, text="y", stars=1))
    assert_type(shown("x", 3), int)
    assert_type(judge.with_examples(judge.example("keep", "x")).map(["x"]), list[Verdict])
    rate.example("3", "x", 4)  # E: an answer of the wrong type
    rate.example(3, "x")  # E: an argument left out
    rate.example(3, "x", star=4)  # E: a parameter's name mistyped
    judge.example("kep", "x")  # E: an answer that is no member
    judge.with_examples("keep")  # E: no example
    judge.with_examples(example("keep", text="x"))("x").strip().nothing  # E: an attribute that texts lack
