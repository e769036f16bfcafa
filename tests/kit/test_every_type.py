"""A sample of every type of the catalogue can be a test's answer, and is what the program gets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.catalogue import ENTRIES, Entry
from typefold import Logged, Prompt, ask, prompt
from typefold.evaluation.fields import is_equal
from typefold.testing import FakeEngine

LOGGED: Any = Logged


def asking(hint: Any) -> Prompt[[], object]:
    def function() -> object:
        return ask("Go on.")

    function.__annotations__["return"] = hint
    return prompt(function)


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_a_typed_answer_is_what_the_program_gets(entry: Entry) -> None:
    plain, logged = asking(entry.hint), asking(LOGGED[entry.hint])
    with FakeEngine() as fake:
        fake.answer(plain, entry.sample)
        fake.answer(logged, entry.sample)
        assert is_equal(plain(), entry.sample)  # but for probabilities
        assert type(plain()) is type(entry.sample)
        assert is_equal(getattr(logged(), "value"), entry.sample)  # noqa: B009  # to checkers it is any object


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_what_is_made_up_is_a_value(entry: Entry) -> None:
    function = asking(entry.hint)
    with FakeEngine() as fake:
        first, again = function.safe(), function.safe()
    assert first == again or str(first) == str(again)  # a value, or what a check or a raw grammar refuses
    assert fake.count("function") == 2
