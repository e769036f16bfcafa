"""Tests of a program, with an engine that answers by hand."""

from typing import assert_type

from house import Character, judge, later, logged, make, make_hero, reasoned, scored

from typefold import Runtime, TimedOut
from typefold.testing import FakeEngine, SentPrompt, Text, truncated


def invent(setting: str) -> Character:
    return Character(name=setting, age=3)


# kind: tests of a program
def test_program(fake: FakeEngine, replay: Runtime) -> None:
    fake.answer(make, Character(name="Ada", age=3), Text("no"), truncated("{"), TimedOut(timeout=1))
    fake.answer(judge, "keep", "drop")
    fake.answer(logged, Character(name="Ada", age=3))
    fake.answer(reasoned, 3)
    fake.answer(scored, "keep")
    fake.answer(later, Character(name="Ada", age=3))
    fake.answer_by(make, invent)
    fake.answer_by(make, lambda setting: Character(name=setting, age=3))
    assert_type(fake.prompts_of(make), list[SentPrompt])
    assert_type(fake.assert_called_with(make_hero, "Mars", cape=False), SentPrompt)
    assert_type(replay.generate("a"), str)
    fake.answer(make, "Ada")  # E: an answer of another type
    fake.answer(judge, "kep")  # E: an answer that is no member
    fake.answer(logged, 3)  # E: another value behind facts
    fake.answer(scored, "kep")  # E: a choice that there is not
    fake.answer(print, 3)  # E: a plain function for a prompt
    fake.answer_by(make, lambda: Character(name="Ada", age=3))  # E: a function without the argument
    fake.answer_by(make, len)  # E: a function with another result
    fake.assert_called_with(make, 3)  # E: a number for a text
    fake.assert_called_with(make)  # E: an argument left out
    fake.prompts_of(make)[0].mesages  # E: a typo
