"""Calls as other libraries have them: types in the second place, messages as dictionaries, schemas, and their words for options."""

from __future__ import annotations

import base64
import re
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from returns.result import Failure, Success

from typefold import BadInput, Message, PromptUsageError, Runtime, ask, prompt, system, user
from typefold.compiler import SchemaError
from typefold.options import CallOptions, GenerateOptions
from typefold.runtime.engines.scripted import ScriptedEngine

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC")
ADDRESS = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


class Place(BaseModel):
    name: str


@prompt
def answer(history: list[dict[str, Any]]) -> str:
    return ask(history)


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        ({"role": "user", "content": "a"}, user("a")),
        ({"role": "system", "content": ""}, system("")),
        ({"content": "a", "role": "assistant", "name": None, "tool_calls": []}, Message("assistant", "a")),
        ({"role": "user", "content": ["a", {"type": "text", "text": "b"}]}, user("a\nb")),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": ADDRESS}}, "b"]}, user(PNG, "b")),
        ({"role": "user", "content": ["a", {"type": "image_url", "image_url": ADDRESS}]}, user("a", PNG)),
    ],
)
def test_a_dictionary_of_role_and_content_is_a_message(turn: dict[str, Any], message: Message) -> None:
    first = user("first")

    @prompt
    def alone() -> str:
        return ask(turn)

    assert alone.render() == (message,)
    assert answer.render([turn, turn]) == (message, message)
    with Runtime(ScriptedEngine()) as runtime:
        assert runtime.render([turn]) == (message,)
        assert runtime.render([first, turn]) == (first, message)


def test_conversations_of_dictionaries_are_rows() -> None:
    engine = ScriptedEngine(answers=lambda _: "yes")
    asked = [[{"role": "user", "content": "a"}], [{"role": "system", "content": "b"}, {"role": "user", "content": "c"}]]
    with Runtime(engine) as runtime:
        assert runtime.generate(asked) == ["yes", "yes"]
        assert answer.map(asked) == ["yes", "yes"]
    assert {request.prompt for request in engine.requests} == {(user("a"),), (system("b"), user("c"))}


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        (
            {"role": "tool", "content": "4"},
            r"has a role \(system, user or assistant\) and a content, unlike \{'role': 'tool'",
        ),
        ({"role": "user"}, "and a content, unlike"),
        ({"text": "a"}, "and a content, unlike"),
        (
            {"role": "assistant", "content": "", "tool_calls": [{"id": 1}]},
            "what its tool_calls says is to be put into text",
        ),
        ({"role": "user", "content": 3}, "a message is text, not int"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]},
            r"user\(Path\(",
        ),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": "abc"}]}, "texts and images in base64"),
    ],
)
def test_a_dictionary_that_a_message_cannot_hold_is_refused(turn: dict[str, Any], said: str) -> None:
    with pytest.raises(PromptUsageError, match=said):
        answer.render([turn])
    with Runtime(ScriptedEngine()) as runtime, pytest.raises(PromptUsageError, match=said):
        runtime.render([turn])


@pytest.mark.parametrize("content", [None, float("nan"), ["data:image/png;base64,???"]])
def test_a_missing_or_broken_content_costs_its_row(content: Any) -> None:
    if isinstance(content, list):
        content = [{"type": "image_url", "image_url": {"url": content[0]}}]
    turns = [[{"role": "user", "content": each}] for each in ("a", content)]
    with Runtime(ScriptedEngine(answers=lambda _: "yes")):
        good, bad = answer.safe.map(turns)
    assert good == Success("yes")
    assert isinstance(bad, Failure) and isinstance(bad.failure(), BadInput)


def test_the_type_may_be_the_second_argument() -> None:
    with Runtime(ScriptedEngine(answers=lambda _: "7")) as runtime:
        assert runtime("a", int) == runtime.generate("a", int) == 7
        assert runtime(["a", "b"], int) == [7, 7]
        assert runtime.generate.safe("a", int | None) == Success(7)
        assert runtime.generate(["a", "b"], [int, re.compile("[0-9]")]) == [7, "7"]
        assert runtime.render("a", Literal["x"]) == runtime.render("a", output_type=Literal["x"])


def test_a_json_schema_is_a_type() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 3}}, "required": ["x"]}
    engine = ScriptedEngine(seed=2)
    with Runtime(engine) as runtime:
        assert runtime("a", schema)["x"] >= 3
        assert [each["x"] >= 3 for each in runtime(["b", "c"], dict(schema))] == [True, True]
        kinds = runtime(["d", "e", "f"], [schema, int, Place.model_json_schema()])
        assert [type(each) for each in kinds] == [dict, int, dict]
    assert len({id(request.constraint) for request in engine.requests[:4]}) == 1  # equal schemas are compiled once
    wrong = {"type": "number", "minimum": "three"}
    with Runtime(ScriptedEngine()) as runtime, pytest.raises(SchemaError, match="minimum"):
        runtime("a", wrong)


@pytest.mark.parametrize(
    "given", [{"name": str}, {"name": "string"}, {}, {1: 2}, {"title": "x"}, {"a": {"type": "integer"}}]
)
def test_a_dictionary_that_is_no_schema_is_refused(given: Any) -> None:
    with Runtime(ScriptedEngine()) as runtime:
        with pytest.raises(PromptUsageError, match="is none; for fields by their types write a class"):
            runtime("a", given)
        with pytest.raises(PromptUsageError, match="is none; for fields by their types write a class"):
            runtime(["a", "b"], [int, given])


class Parameters:
    """Sampling parameters as vLLM's class has them."""

    max_tokens = 16


@pytest.mark.parametrize("given", [Parameters(), [Parameters(), Parameters()], {"temperature": 0.5, "max_tokens": 8}])
def test_parameters_in_the_place_of_the_type_are_told_theirs(given: Any) -> None:
    engine = ScriptedEngine()
    with (
        Runtime(engine) as runtime,
        pytest.raises(PromptUsageError, match="sampling parameters go in sampling_params="),
    ):
        runtime.generate(["a", "b"], given)
    assert not engine.requests


WORDS = {
    "response_model": "the return annotation, or a runtime's output_type=",
    "guided_json": "the return annotation, or a runtime's output_type=",
    "model": r"Runtime\('org/model'\); runtime= names another",
    "instructions": r"ask\(system\('...'\), user\('...'\)\)",
    "tools": r"Annotated\[ToolCall\[T\], Tools\(function\)\]",
    "chat_template": r"Runtime\('org/model', chat_template=\.\.\.\)",
    "use_tqdm": "TYPEFOLD_PROGRESS=0",
    "num_threads": "one batch of the engine",
    "add_generation_prompt": "as the last message begins the answer",
    "demos": r"@prompt\(examples=\[",
    "max_retries": "did you mean 'retries'",
    "max_new_tokens": "did you mean 'max_tokens'",
}


@pytest.mark.parametrize(("name", "said"), WORDS.items())
def test_an_option_of_another_library_is_told_its_place_here(name: str, said: str) -> None:
    options: Any = {name: 1}
    with pytest.raises(PromptUsageError, match=rf"there is no option '{name}'; .*{said}"):
        answer.using(**options)
    with Runtime(ScriptedEngine()) as runtime, pytest.raises(PromptUsageError, match=said):
        runtime.generate("a", **options)


def test_no_option_of_ours_is_said_to_be_elsewhere() -> None:
    for name in (*CallOptions.__annotations__, *GenerateOptions.__annotations__):
        options: Any = {name: object()}
        try:
            answer.using(**options)
        except PromptUsageError as error:
            assert "there is no option" not in str(error)


def test_a_template_in_the_decorator_is_told_its_place() -> None:
    decorate: Any = prompt
    with pytest.raises(PromptUsageError, match=r"not on str; a text goes into its body, return ask\(f'...'\)"):
        decorate("Invent {name}.")
