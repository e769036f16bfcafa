"""The token limit of a request, and what an engine without a model refuses as vLLM does. `tests/engine` holds the table to vLLM."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from typefold.compiler import TEXT, Constraint, output_type
from typefold.runtime import Request
from typefold.runtime.engine import EngineRefusal
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.runtime.journal.keys import content_key
from typefold.runtime.journal.model_identity import content_of, identity_of
from typefold.runtime.sampling import RANGES, unfit, unfit_object

NUMBERS = output_type(list[int]).constraint
MODEL = identity_of("org/model", {})


def asking(constraint: Constraint, limit: int | None = None, /, *, function: str = "f", **sampling: Any) -> Request:
    params = None if limit is None else SimpleNamespace(max_tokens=limit)
    return Request(
        prompt="x",
        constraint=constraint,
        sampling_params=params,
        sampling={"temperature": 0, **sampling},
        function=function,
    )


@pytest.mark.parametrize(
    ("request_", "limit"),
    [
        (asking(TEXT, 16), 16),
        (asking(NUMBERS, 16), None),
        (asking(TEXT, 17), 17),
        (asking(NUMBERS, 17), 17),
        (asking(TEXT, 16, max_tokens=16), 16),
        (asking(NUMBERS, 16, max_tokens=16), 16),
        (asking(TEXT, max_tokens=16), 16),
        (asking(NUMBERS, max_tokens=16), 16),
        (asking(TEXT, 16, max_tokens=400), 400),
        (asking(TEXT, 16, max_tokens=None), None),
        (asking(TEXT), None),
        (Request(prompt="x", sampling_params=object()), None),
    ],
)
def test_sixteen_in_an_object_holds_for_text_alone_and_as_an_option_always(
    request_: Request, limit: int | None
) -> None:
    assert request_.token_limit() == limit
    assert ScriptedEngine().max_tokens(request_) == limit


def test_the_limit_of_sixteen_is_logged_once_a_function(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="typefold"):
        for _ in range(3):
            asking(TEXT, 16, function="tell_once").token_limit()
            asking(NUMBERS, 16, function="count_once").token_limit()
            asking(TEXT, 16, function="silent", max_tokens=16).token_limit()
            asking(TEXT, 17, function="silent").token_limit()
    assert [record.getMessage() for record in caplog.records] == [
        "tell_once: the given SamplingParams has max_tokens=16, vLLM's default: answers are cut after 16 tokens, as vLLM "
        "does it; max_tokens= as an option sets another limit",
        "count_once: the given SamplingParams has max_tokens=16, vLLM's default: it counts as not set, and an answer may "
        "be as long as its type; for a limit of 16, set max_tokens=16 as an option",
    ]


def test_a_journal_tells_requests_apart_by_the_limit_that_holds() -> None:
    def key(request: Request) -> bytes | None:
        return content_key(request, MODEL, content_of)

    assert key(asking(TEXT, 16)) == key(asking(TEXT, 16, max_tokens=16))
    assert key(asking(NUMBERS, 16)) != key(asking(NUMBERS, 16, max_tokens=16))
    # A limit that an option takes away is not that of the object.
    for constraint in (TEXT, NUMBERS):
        assert key(asking(constraint, 50)) != key(asking(constraint, 50, max_tokens=None))
    assert key(asking(TEXT)) == key(asking(TEXT, max_tokens=None))


@pytest.mark.parametrize(("name", "value"), [("temperature", -1), ("top_p", 2), ("max_tokens", 0), ("stop", [""])])
def test_a_request_of_ones_own_is_refused_by_the_scripted_engine_too(name: str, value: Any) -> None:
    engine = ScriptedEngine()
    request = asking(TEXT, **{name: value})
    with pytest.raises(EngineRefusal, match=f"{name} is .*, not "):
        engine.add("a", request, engine.tokenize(request), engine.max_tokens(request) or 5)


def test_values_of_any_class_are_judged_and_never_raise() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

    values: list[object] = [Odd(), [Odd()], {1: Odd()}, [[]], {}, "x", b"x", float("nan"), 10**400, -(10**400), object]
    for name in RANGES:
        for value in values:
            unfit(name, value)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (
            {"temperature": 0.5},
            "sampling_params is a vllm.SamplingParams, not a dict; write single parameters as options",
        ),
        ("greedy", "not a str"),
        (SimpleNamespace, "not the class SimpleNamespace"),
        (SimpleNamespace(beam_width=3, max_tokens=9), "not a SimpleNamespace"),
        (SimpleNamespace(top_p=1.5), "in the given sampling_params, top_p is a number above 0 and up to 1, not 1.5"),
        (SimpleNamespace(stop=["a", 3]), "in the given sampling_params, stop is a text or a list of texts"),
    ],
)
def test_what_is_no_sampling_params_is_said(params: object, why: str) -> None:
    assert why in str(unfit_object(params))
