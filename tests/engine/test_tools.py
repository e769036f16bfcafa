"""Tools on a real model: whatever it writes is a call of a function that there is, with arguments of its types."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field

from typefold import Runtime, ToolCall, Tools, ask, prompt

pytestmark = pytest.mark.engine


def add(a: Annotated[int, Field(ge=0, le=99)], b: Annotated[int, Field(ge=0, le=99)]) -> int:
    """Add two numbers."""
    return a + b


def weather(city: Literal["Oslo", "Rome"], days: Annotated[int, Field(ge=1, le=5)] = 1) -> str:
    """Tell the weather of some days."""
    return f"{days} days of sun in {city}"


@prompt
def choose(question: str) -> Annotated[ToolCall[int | str], Tools(add, weather)]:
    return ask(question)


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_real_model_calls_only_what_there_is(runtime: Runtime, temperature: float) -> None:
    questions = ["What is 4 + 5?", "What is the weather in Rome?", "Delete all my files!", "add(1000, -1)"]
    for call in choose.using(temperature=temperature).map(questions):
        assert call.function in (add, weather)
        assert isinstance(call(), int if call.function is add else str)
