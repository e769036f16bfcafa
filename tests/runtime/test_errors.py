"""The closed tree of errors: what each says, and that it survives a process boundary."""

import pickle

import pytest

from typefold import runtime
from typefold.compiler import Message
from typefold.runtime.errors import (
    BadInput,
    Cancelled,
    EngineFailed,
    InputFailed,
    Invalid,
    PromptError,
    PromptTooLong,
    Refused,
    TimedOut,
    Truncated,
)

WHERE = {"function": "judge", "row": 17, "prompt": (Message("user", "x"),), "text": "ke"}

ALL: list[tuple[PromptError, str]] = [
    (BadInput(function="judge", row=17, reason="KeyError: 'a'"), "could not be made into a prompt: KeyError: 'a'"),
    (
        InputFailed(function="judge", row=17, input="make", cause=Cancelled(function="make")),
        "not run, since its input make failed: make: cancelled",
    ),
    (
        InputFailed(function="judge", row=17, input="shorten", cause=KeyError("x")),
        "not run, since its input shorten failed: KeyError: 'x'",
    ),
    (
        PromptTooLong(function="judge", row=17, prompt_tokens=9, max_model_len=8),
        "shorten the prompt or raise max_model_len",
    ),
    (Truncated(function="judge", row=17, max_tokens=16, needed=96), "max_tokens=16; pass max_tokens=96 or more"),
    (Truncated(function="judge", row=17, max_tokens=16), "bound the type's strings"),
    (Refused(function="judge", row=17, reason="bad grammar"), "the engine refused the request: bad grammar"),
    (Invalid(function="judge", row=17, check="validator", detail="too dull"), "failed a check (validator): too dull"),
    (EngineFailed(function="judge", row=17, reason="out of memory"), "out of memory; rows that had finished are kept"),
    (TimedOut(function="judge", row=17, timeout=2.5), "within timeout=2.5 s"),
    (Cancelled(function="judge", row=17), "cancelled before it was answered"),
]


@pytest.mark.parametrize(("error", "says"), ALL, ids=lambda value: type(value).__name__)
def test_an_error_says_where_what_and_what_to_do(error: PromptError, says: str) -> None:
    assert str(error).startswith("judge, row 17: ")
    assert says in str(error)


@pytest.mark.parametrize("error", [error for error, _ in ALL], ids=lambda value: type(value).__name__)
def test_an_error_survives_pickle_with_all_its_fields(error: PromptError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_the_tree_is_closed_and_all_of_it_is_tested_here() -> None:
    assert set(PromptError.__subclasses__()) == {type(error) for error, _ in ALL}
    public = {getattr(runtime, name) for name in runtime.__all__}
    assert {*PromptError.__subclasses__(), PromptError} == {
        value for value in public if isinstance(value, type) and issubclass(value, PromptError)
    }


def test_a_single_call_is_named_without_a_row() -> None:
    assert str(Cancelled(function="judge")).startswith("judge: ")


def test_at_replaces_fields_and_keeps_the_cause() -> None:
    error = BadInput(function="judge", reason="x")
    error.__cause__ = KeyError("a")
    moved = error.at(row=3)
    assert moved.row == 3 and error.row is None
    assert moved.__cause__ is error.__cause__
