"""Tools.

A `ToolCall[R]` is a call of one of the functions in `Tools`, which the model chooses; calling the value calls the function,
and gives an `R`. The types of a function's parameters are enforced as any other type.
"""

from typing import Annotated

from pydantic import Field

from typefold import ToolCall, Tools


def search(query: Annotated[str, Field(max_length=40)], limit: Annotated[int, Field(ge=1, le=9)] = 5) -> list[str]:
    """Find titles in the library."""
    return [query] * limit


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


tools = Tools(search, add)

call: Annotated[ToolCall[list[str] | int], tools] = ToolCall.of(search, "whales")
call_or_answer: Annotated[ToolCall[list[str] | int], tools] | str = "It is 42."
