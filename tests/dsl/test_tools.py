"""`ToolCall` and `Tools`: a model chooses among typed functions, and the program calls what it chose."""

import pickle
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, Optional

import attrs
import pytest
from pydantic import BaseModel, Field

from typefold import (
    Invalid,
    JsonFormat,
    Message,
    PromptUsageError,
    Runtime,
    ToolCall,
    Tools,
    UnsupportedType,
    ask,
    assistant,
    output_type,
    prompt,
    run,
    user,
)
from typefold.runtime.engines.scripted import ScriptedEngine
from typefold.testing.laws import check_laws


class Place(BaseModel):
    city: str
    country: Annotated[str, Field(min_length=2, max_length=2)]


def add(a: int, b: int = 1) -> int:
    """Add two numbers.

    And this is for people.
    """
    return a + b


def weather(place: Place, /, *, unit: Literal["C", "F"] = "C") -> str:
    """The weather somewhere."""
    return f"12 {unit} in {place.city}"


def schema(copy: bool) -> None:
    """A function whose names are those of pydantic's methods."""
    assert copy


@prompt
def twice(number: int) -> int:
    """Twice a number, by the model."""
    return ask(f"Twice {number}?")


tools = Tools(add, weather, schema)
Call = Annotated[ToolCall[int | str | None], tools]


class Answer(BaseModel):
    answer: str


HINTS: list[Any] = [Call, Call | Answer, list[Call], Optional[Annotated[ToolCall[int], Tools(add)]]]  # noqa: UP045


@prompt
def step(history: list[Message]) -> Annotated[ToolCall[int | str | None], tools] | Answer:
    return ask(history)


@prompt
def choose(question: str) -> Annotated[ToolCall[int], Tools(add, twice)]:
    return ask(question)


def test_a_call_is_read_with_typed_arguments_and_gives_what_its_function_gives() -> None:
    kind = output_type(Call)
    call = kind.decode('{"name": "weather", "arguments": {"place": {"city": "Rome", "country": "IT"}, "unit": "F"}}')
    assert call.arguments == {"place": Place(city="Rome", country="IT"), "unit": "F"}
    assert (call.name, call.function, call()) == ("weather", weather, "12 F in Rome")
    assert kind.decode('{"name": "add", "arguments": {"a": 2}}')() == 3
    assert kind.decode('{"name": "schema", "arguments": {"copy": true}}')() is None


def test_a_call_is_written_as_it_is_read_and_said() -> None:
    kind, call = output_type(Call), ToolCall.of(weather, Place(city="Rome", country="IT"))
    text = '{"name": "weather", "arguments": {"place": {"city": "Rome", "country": "IT"}}}'
    assert kind.encode(call) == text == str(call)
    assert kind.decode(text) == call == pickle.loads(pickle.dumps(call))
    assert repr(call) == "ToolCall(name='weather', arguments={'place': Place(city='Rome', country='IT')})"
    with pytest.raises(TypeError, match="missing a required argument: 'a'"):
        ToolCall.of(add)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("json_format", list(JsonFormat))
@pytest.mark.parametrize("hint", HINTS)
def test_the_laws_hold(hint: Any, json_format: JsonFormat) -> None:
    counts = check_laws(output_type(hint, json_format=json_format))
    assert counts.texts


def test_what_the_model_leaves_out_before_an_argument_that_goes_by_its_place_has_its_default() -> None:
    def places(a: int = 1, b: int = 2, /, c: int = 3) -> int:
        return 100 * a + 10 * b + c

    call = output_type(Annotated[ToolCall[int], Tools(places)]).decode('{"name": "places", "arguments": {"b": 5}}')
    assert (call.arguments, call()) == ({"b": 5}, 153)


def test_arguments_of_classes_that_pydantic_does_not_know_are_read_called_and_said() -> None:
    @attrs.define
    class Crate:
        weight: int

    def lift(crate: Crate, times: int = 1) -> int:
        return crate.weight * times

    kind = output_type(Annotated[ToolCall[int], Tools(lift, add)])
    text = '{"name": "lift", "arguments": {"crate": {"weight": 3}}}'
    call = kind.decode(text)
    assert (call(), str(call), kind.encode(call)) == (3, text, text)
    check_laws(kind)


def test_a_result_with_limits_is_of_its_type() -> None:
    def grade(a: int) -> Annotated[int, Field(ge=0)]:
        return abs(a)

    assert output_type(Annotated[ToolCall[int], Tools(grade, add)]).shape


def test_in_the_compact_format_the_model_is_told_of_each_tool_what_it_is() -> None:
    one = output_type(Annotated[ToolCall[int], Tools(add)], json_format="compact")
    told = '{"add": [arguments: [a: integer, b: integer or null]] (Add two numbers.)}'
    assert (one.shape, one.encode(ToolCall.of(add, 1))) == (told, '{"add": [[1, null]]}')
    two: Any = Annotated[ToolCall[int], Tools(add)] | Annotated[ToolCall[int], Tools(twice)]
    assert told in (output_type(two, json_format="compact").shape or "")


def test_a_call_stands_in_other_types() -> None:
    class Plan(BaseModel):
        why: str
        calls: list[Call]

    kind = output_type(Plan)
    plan = Plan(why="because", calls=[ToolCall.of(add, 1, 2)])
    text = '{"why": "because", "calls": [{"name": "add", "arguments": {"a": 1, "b": 2}}]}'
    assert kind.encode(plan) == text and kind.decode(text) == plan
    assert plan.model_dump(mode="json")["calls"] == [{"name": "add", "arguments": {"a": 1, "b": 2}}]


def test_the_model_is_told_the_tools() -> None:
    told = output_type(Call).shape or ""
    assert '{"name": "add" (Add two numbers.), "arguments": {"a": integer, "b": integer (optional)}}' in told
    assert "for people" not in told


def test_an_agent_calls_tools_until_it_answers() -> None:
    def agent(question: str) -> str:
        history = [user(question)]
        while True:
            said = step(history)
            if isinstance(said, Answer):
                return said.answer
            history += [assistant(str(said)), user(f"{said.name} gave {said()}")]

    script = ['{"name": "add", "arguments": {"a": 20, "b": 22}}', '{"answer": "42"}']
    engine = ScriptedEngine(answers=script)
    with Runtime(engine):
        assert agent("20 + 22?") == "42"
    told, *turns = [message for message in engine.requests[1].prompt if isinstance(message, Message)]
    assert told.role == "system" and '{"answer": string}' in told.content
    assert [message.content for message in turns] == [
        "20 + 22?",
        script[0],
        "add gave 42",
    ]


def test_a_prompt_function_is_a_tool_and_its_call_joins_the_batch() -> None:
    def program(question: str) -> int:
        return choose(question)()

    def answer(request: Any) -> str:
        asked = str(request.prompt[-1].content)
        return "8" if asked.endswith("Twice 4?") else '{"name": "twice", "arguments": {"number": 4}}'

    with Runtime(ScriptedEngine(answers=answer)):
        assert run(program, ["a", "b"]) == [8, 8]


def test_what_no_tool_takes_is_invalid_and_no_constraint_admits_it() -> None:
    language = output_type(Call).constraint.language
    assert language is not None
    with Runtime(ScriptedEngine(answers=['{"name": "remove", "arguments": {}}'])), pytest.raises(Invalid):
        choose("x")


def no_hint(a) -> int:  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]
    return 0


def many(*numbers: int) -> int:
    return 0


async def later(a: int) -> int:
    return a


WRONG: list[tuple[Any, str]] = [
    ((), "there is no function to choose"),
    ((add, add), "two functions have one name (of add, add)"),
    ((no_hint,), "the parameter a of no_hint has no annotation"),
    ((many,), "many takes *numbers: int, which has no names that a model could give"),
    ((later,), "later is an `async def`"),
    ((Place,), "Place is a class; write a function that makes one"),
    ((max,), "max has no signature (no signature found"),
]


@pytest.mark.parametrize(("functions", "message"), WRONG)
def test_what_can_be_no_tool_is_said(functions: tuple[Callable[..., Any], ...], message: str) -> None:
    with pytest.raises(PromptUsageError, match=re.escape(message)):
        Tools(*functions)


def test_a_type_that_is_wrong_about_its_tools_is_refused_at_decoration() -> None:
    with pytest.raises(
        UnsupportedType, match=re.escape("has the tool weather, which gives str; write ToolCall[int | str]")
    ):

        @prompt
        def wrong(text: str) -> Annotated[ToolCall[int], Tools(add, weather)]:
            return ask(text)

    with pytest.raises(UnsupportedType, match="names no tools; write Annotated"):

        @prompt
        def bare(text: str) -> ToolCall[int]:
            return ask(text)

    def odd(a: complex) -> int:
        return 0

    with pytest.raises(UnsupportedType, match=r"return\.arguments\['a'\].*complex"):
        output_type(Annotated[ToolCall[int], Tools(odd)])
