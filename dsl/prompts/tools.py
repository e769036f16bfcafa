"""Tools: typed Python functions that a model may call, as an output type: `Annotated[ToolCall[R], Tools(search, add)]`.

A call is a closed object, `{"name": "add", "arguments": {"a": 1, "b": 2}}`, the form that models were trained on. A
function's parameters make its arguments, and the names tell the calls apart. So a model can name no tool that does not
exist and no argument that the tool does not take, and calling the result is type-checked: a `ToolCall[R]` returns an `R`.
Left out: running tools. The program decides which calls to make and what to tell the model of their results.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from types import FunctionType
from typing import Annotated, Any, Literal, NotRequired, TypeVar, Union, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, create_model
from pydantic_core import core_schema
from typing_extensions import TypedDict

from typefold.compiler import Codec, default_registry
from typefold.compiler.context import Context
from typefold.compiler.errors import describe
from typefold.compiler.guards import signature_of
from typefold.compiler.types.unions import tagged
from typefold.errors import PromptUsageError
from typefold.response_types import ToolCall, call_as_json, name_of_tool
from typefold.signatures.parameters import is_async, union_members


class Tools:
    """Functions that a model chooses from, for use in `Annotated` around a `ToolCall`.

    The first line of a function's docstring describes it to the model. A parameter may have limits and a description by
    `Annotated` and `Field`. Prompt functions are functions too.

    Args:
        *functions: Functions whose parameters and results have annotations.

    Raises:
        PromptUsageError: There is no function, two have one name, or no model can call one of them.

    Example:
        >>> from typing import Annotated
        >>> from typefold import Runtime, ToolCall, Tools, ask, prompt
        >>> from typefold.runtime.engines.scripted import ScriptedEngine
        >>> def search(query: str) -> list[str]:
        ...     '''Find titles in the library.'''
        ...     return [title for title in ("Moby Dick", "Typee") if query in title]
        >>> def add(a: int, b: int) -> int:
        ...     return a + b
        >>> @prompt
        ... def choose(task: str) -> Annotated[ToolCall[list[str] | int], Tools(search, add)]:
        ...     return ask(task)
        >>> with Runtime(ScriptedEngine(answers=['{"name": "search", "arguments": {"query": "Typ"}}'])):
        ...     choose("Which title has 'Typ' in it?")()
        ['Typee']
    """

    def __init__(self, *functions: Callable[..., object]) -> None:
        self.functions: Mapping[str, Callable[..., Any]] = {name_of_tool(function): function for function in functions}
        if not functions:
            raise PromptUsageError("Tools: there is no function to choose; write Tools(search, add)")
        if len(self.functions) < len(functions):
            raise PromptUsageError(f"Tools: two functions have one name (of {', '.join(map(name_of_tool, functions))})")
        for name, function in self.functions.items():
            _check(name, function)

    def __repr__(self) -> str:
        return f"Tools({', '.join(self.functions)})"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.is_instance_schema(
            ToolCall, serialization=core_schema.plain_serializer_function_ser_schema(call_as_json)
        )

    @cached_property
    def calls(self) -> Mapping[str, type[BaseModel]]:
        """Models of the JSON of a call, by the function's name."""
        return {name: _call_of(name, function) for name, function in self.functions.items()}


@default_registry.hook(ToolCall)
def tool_call_codec(hint: Any, context: Context) -> Codec[ToolCall[Any]]:
    """A call of one of the functions in `Tools`: its name, and arguments of its parameters' types."""
    claimed = context.limits.claim(Tools)
    if not claimed:
        raise context.refuse(hint, "names no tools; write Annotated[ToolCall[int], Tools(function, ...)]")
    context.allow(hint)
    tools = claimed[0]
    _check_results(hint, tools, context)
    calls = tools.calls
    inner = context.same(Union[tuple(calls.values())])  # noqa: UP007  # made at run time
    if context.positional and len(calls) == 1:  # a union of one has no tag, and the name would not be written
        inner = tagged(inner, next(iter(calls)), context)

    def to_json(call: ToolCall[Any]) -> Any:
        made = calls[call.name]
        return inner.to_json(made.model_construct(name=call.name, arguments=dict(call.arguments)))

    def from_json(data: Any) -> ToolCall[Any]:
        made: Any = inner.from_json(data)
        return ToolCall(made.name, made.arguments, tools.functions[made.name])

    def accepts(value: Any) -> bool:
        return isinstance(value, ToolCall) and tools.functions.get(value.name) == value.function

    return Codec(inner.expr, inner.schema, to_json, from_json, accepts, native=False, expand=inner.expand)


@default_registry.hook_factory(lambda hint: isinstance(hint, FunctionType))
def function_codec(hint: Any, context: Context) -> Codec[ToolCall[Any]]:
    """The arguments of a call of the function."""
    context.allow(hint)
    try:
        name = name_of_tool(hint)
        _check(name, hint)
    except PromptUsageError as error:
        raise context.refuse(hint, f"is a function that no answer can call ({error}); return a model") from None
    inner = context.same(_arguments_of(name, hint))

    def accepts(value: Any) -> bool:
        return isinstance(value, ToolCall) and value.function == hint

    return Codec(
        inner.expr,
        inner.schema,
        lambda call: inner.to_json(dict(call.arguments)),
        lambda data: ToolCall(name, inner.from_json(data), hint),
        accepts,
        native=False,
        expand=inner.expand,
    )


def _arguments_of(name: str, function: Callable[..., Any]) -> Any:
    """A typed dictionary of a function's parameters."""
    hints = _hints(function)
    arguments: dict[str, Any] = {}
    for parameter in signature_of(function).parameters.values():
        given = hints[parameter.name]
        arguments[parameter.name] = given if parameter.default is parameter.empty else NotRequired[given]
    kind: Any = TypedDict(f"{name}_arguments", arguments)  # type: ignore[misc]  # made at run time
    return kind


def _call_of(name: str, function: Callable[..., Any]) -> type[BaseModel]:
    kind = _arguments_of(name, function)
    about = (inspect.getdoc(function) or "").partition("\n")[0]
    tag: Any = Annotated[Literal[name], Field(description=about or None)]
    config = ConfigDict(arbitrary_types_allowed=True)  # what pydantic doesn't know, hooks read
    return create_model(name, __config__=config, name=(tag, ...), arguments=(kind, ...))


def _check(name: str, function: Callable[..., Any]) -> None:
    """Refuse a function that no model can call."""
    if inspect.isclass(function):
        raise PromptUsageError(f"Tools: {name} is a class; write a function that makes one, with annotations")
    if is_async(function) or is_async(inspect.unwrap(function)):
        raise PromptUsageError(f"Tools: {name} is an `async def`, which a ToolCall can't call; give a plain function")
    try:
        parameters = signature_of(function).parameters.values()
    except ValueError as error:  # as of `max`
        raise PromptUsageError(f"Tools: {name} has no signature ({error})") from error
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PromptUsageError(
                f"Tools: {name} takes {parameter}, which has no names that a model could give; list its parameters"
            )
        if parameter.annotation is parameter.empty:
            raise PromptUsageError(f"Tools: the parameter {parameter.name} of {name} has no annotation")


def _check_results(hint: Any, tools: Tools, context: Context) -> None:
    """Refuse a `ToolCall[R]` whose `R` lacks the result of a tool."""
    members = union_members(next(iter(get_args(hint)), Any))
    if any(member in (Any, object) or isinstance(member, TypeVar) for member in members):
        return
    for name, function in tools.functions.items():
        result = _hints(function).get("return", Any)
        lacking = [member for member in union_members(result) if member not in members]
        if lacking:
            whole = " | ".join(dict.fromkeys(map(describe, (*members, *lacking))))
            raise context.refuse(hint, f"has the tool {name}, which gives {describe(result)}; write ToolCall[{whole}]")


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(inspect.unwrap(function), include_extras=True)
