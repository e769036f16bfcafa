"""Values that stand for types in `generate`, as users of Outlines know them: a compiled pattern, an Enum, a function."""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Any, assert_type

import pytest
from pydantic import Field

from typefold import Runtime, ToolCall, output_type
from typefold.compiler import JsonFormat, OutputType, UnsupportedType
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.testing.laws import Recogniser, check_laws


class Mood(Enum):
    GRIM = "grim"
    FUNNY = "funny"


def add(a: Annotated[int, Field(ge=0)], b: int = 1) -> int:
    """Add two numbers."""
    return a + b


PLATE = re.compile(r"[A-Z]{3}-\d{4}")


def test_a_pattern_is_a_text_that_it_matches_as_a_whole() -> None:
    with Runtime(ScriptedEngine(answers=["ABC-1234", "ABC-1234", "DEF-5678"])) as runtime:
        plate = runtime.generate("A plate.", output_type=PLATE)
        assert assert_type(plate, str) == "ABC-1234"
        assert assert_type(runtime(["A plate.", "Another."], output_type=PLATE), list[str]) == ["ABC-1234", "DEF-5678"]


def test_a_pattern_is_a_type_wherever_types_stand() -> None:
    pattern: Any = re.compile(r"[a-z]+b|c")
    kind: OutputType[Any] = output_type(pattern)
    assert kind.is_bare and kind.encode("ab") == "ab"
    by = Recogniser.of(kind.constraint)
    assert by.admits("ab") and by.admits("c") and not by.admits("ac") and not by.admits("xab\n")
    check_laws(kind, ["ab", "c"])
    listed: Any = list[pattern]
    check_laws(output_type(listed), [["ab"], []])
    raw: Any = re.compile(b"a")
    with pytest.raises(UnsupportedType, match="compile a text"):
        output_type(raw)


def test_an_enum_is_one_of_its_members() -> None:
    with Runtime(ScriptedEngine(answers=["grim"])) as runtime:
        assert assert_type(runtime.generate("Which mood?", output_type=Mood), Mood) is Mood.GRIM


def test_a_function_gives_a_call_of_it() -> None:
    with Runtime(ScriptedEngine(answers=['{"a": 2, "b": 3}', '{"a": 2}', '{"a": 0}'])) as runtime:
        call = runtime.generate("Add.", output_type=add)
        assert_type(call, ToolCall[int])
        assert (call.name, call.arguments, call()) == ("add", {"a": 2, "b": 3}, 5)
        calls = runtime.generate(["Add.", "Add."], output_type=add)
        assert_type(calls, list[ToolCall[int]])
        assert [each() for each in calls] == [3, 1]
        assert str(calls[0]) == '{"name": "add", "arguments": {"a": 2}}'


@pytest.mark.parametrize("json_format", JsonFormat)
def test_both_laws_hold_for_calls(json_format: JsonFormat) -> None:
    function: Any = add
    kind: OutputType[Any] = output_type(function, json_format=json_format)
    check_laws(kind, [ToolCall.of(add, 1), ToolCall.of(add, 1, 2)], every=True)
    assert not Recogniser.of(kind.constraint).admits('{"a": -1}')


def test_a_function_that_no_answer_can_call_is_refused() -> None:
    def any_number(*numbers: int) -> int:
        return sum(numbers)

    async def later(a: int) -> int:
        return a

    def untyped(a) -> int:  # type: ignore[no-untyped-def]  # pyright: ignore[reportUnknownParameterType, reportMissingParameterType]
        return 1

    functions: list[Any] = [any_number, later, untyped]
    for function in functions:
        with pytest.raises(UnsupportedType, match="is a function that no answer can call"):
            output_type(function)
