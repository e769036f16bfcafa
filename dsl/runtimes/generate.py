"""`runtime.generate`: prompts without a function, one or many, with a type or one for each.

`Answering` is the call, which a runtime has itself; `Generate` adds the form that returns results.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar, overload

from returns.result import Failure, Result, Success
from typing_extensions import TypeForm, Unpack

from typefold.compiler import Message, type_of_schema
from typefold.compiler.guards import is_list_or_tuple, is_mapping
from typefold.errors import PromptUsageError
from typefold.execution.call import Call, failed_call, values
from typefold.execution.executor import run_call, run_calls
from typefold.execution.format_description import with_format
from typefold.execution.strategies import compile_return
from typefold.messages import RawPrompt, Turn, is_missing, is_turn, message_of, user
from typefold.options import PER_PROMPT, GenerateOptions, Options, SamplingOptions
from typefold.response_types import ToolCall
from typefold.runtime import BadInput, PromptError

T = TypeVar("T")
R = TypeVar("R")
_One: TypeAlias = str | Sequence[Turn]
_Several: TypeAlias = Sequence[str | Sequence[Turn]]
Kind: TypeAlias = TypeForm[object] | re.Pattern[str] | Callable[..., object] | Mapping[str, object]

GENERATE = "generate"  # its name in errors and statistics


class Answering:
    """Base class of `Runtime` and `Generate`: the call that answers prompts."""

    @property
    @abstractmethod
    def _defaults(self) -> Options:
        """The options of a call that says nothing, with the runtime that answers."""

    # The first that fits: a text is a sequence of texts too, and a class is callable. Values that are no types stand before
    # types, since ty reads whatever is given for a type as one.
    # fmt: off
    @overload
    def __call__(self, prompt: _One, /, output_type: Mapping[str, object], **options: Unpack[GenerateOptions]) -> Any: ...
    @overload
    def __call__(self, prompt: _Several, /, output_type: Mapping[str, object], **options: Unpack[GenerateOptions]) -> list[Any]: ...
    @overload
    def __call__(self, prompt: _One, /, output_type: re.Pattern[str], **options: Unpack[GenerateOptions]) -> str: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, prompt: _Several, /, output_type: re.Pattern[str], **options: Unpack[GenerateOptions]) -> list[str]: ...
    @overload
    def __call__(self, prompt: _Several, /, output_type: list[Kind] | tuple[Kind, ...], **options: Unpack[GenerateOptions]) -> list[object]: ...
    @overload
    def __call__(self, prompt: _One, /, output_type: TypeForm[T], **options: Unpack[GenerateOptions]) -> T: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, prompt: _Several, /, output_type: TypeForm[T], **options: Unpack[GenerateOptions]) -> list[T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, prompt: _One, /, output_type: Callable[..., R], **options: Unpack[GenerateOptions]) -> ToolCall[R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, prompt: _Several, /, output_type: Callable[..., R], **options: Unpack[GenerateOptions]) -> list[ToolCall[R]]: ...
    @overload
    def __call__(self, prompt: _One, /, **options: Unpack[GenerateOptions]) -> str: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, prompt: _Several, /, **options: Unpack[GenerateOptions]) -> list[str]: ...
    # fmt: on
    def __call__(self, prompt: Any, /, output_type: Any = str, **options: Any) -> Any:
        """Answer one prompt, or a list of them as one batch.

        Args:
            prompt: A text (a user message), a conversation (a list of messages, which may be dictionaries of `role` and
                `content`), `raw(...)`, or a sequence of these.
            output_type: The type of the answer: anything that `typefold.output_type` takes, unions and `Literal` too.
                A list of types, one for each prompt, makes one batch. `re.compile(...)` stands for a text that it matches
                as a whole, a function for a `ToolCall`, a dictionary for the JSON schema that it is (as
                `compiler.type_of_schema` reads it). A list of choices is `Annotated[str, OneOf(names)]`.
            **options: Sampling parameters by name, and the other options of `@prompt`; see
                `typefold.options.GenerateOptions`. For a list of prompts, `sampling_params`, `priority` and `lora_request`
                may be lists too, one entry a prompt.

        Returns:
            A value of the type; for a list of prompts a list of values, in order.

        Raises:
            PromptError: The one prompt gave no value.
            BatchError: Some of the prompts gave none; it holds every result.
            PromptUsageError: An option does not exist, or does not go with the type.
            UnsupportedType: The type has no JSON form.

        Example:
            >>> from typefold import Runtime
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> with Runtime(ScriptedEngine(answers=["yes", "7"])) as runtime:
            ...     runtime.generate(["Is it?", "How many?"], output_type=[bool, int])
            Traceback (most recent call last):
            ...
            typefold.errors.BatchError: 1 of 2 rows failed (every outcome is in .results; use .safe.map to get them without this error):
              generate, row 0: ...
        """
        return self._answered(prompt, output_type, options, safe=False)

    def _answered(self, prompt: Any, hint: Any, changes: Mapping[str, Any], *, safe: bool) -> Any:
        if isinstance(prompt, Sequence) and not isinstance(prompt, (str, bytes, bytearray)):
            prompt = [*prompt]
        hint = checked_output_type(hint, one=is_one(prompt))
        if is_one(prompt):
            options = self._defaults.with_(changes, where=GENERATE)
            try:
                value = run_call(call_for(prompt, hint, options))
            except PromptError as error:
                if safe:
                    return Failure(error)
                raise
            return Success(value) if safe else value
        if not is_list_or_tuple(prompt):
            raise PromptUsageError(
                f"generate() takes a text, a list of messages, or a list of these; not {type(prompt).__name__} (of a column, "
                f"give list(column))"
            )
        hints = _a_row(hint, len(prompt), "output_type")
        # Rows that share their options share one record of them, and so all that is made from it.
        varied = {
            name: _a_row(changes[name], len(prompt), name) for name in PER_PROMPT if is_list_or_tuple(changes.get(name))
        }
        common = {name: value for name, value in changes.items() if name not in varied}
        shared = self._defaults.with_(common, where=GENERATE)
        calls: list[Call[Any] | PromptError] = []
        for row, (each, kind) in enumerate(zip(prompt, hints, strict=True)):
            own = {name: entries[row] for name, entries in varied.items()}
            options = shared.with_(own, where=GENERATE) if own else shared
            try:
                calls.append(call_for(each, kind, options, mixed=is_list_or_tuple(hint)))
            except BaseException as error:
                calls.append(failed_call(error, GENERATE, row))
        results = run_calls(calls, max_failures=shared.max_failures)
        return results if safe else values(results)


class Generate(Answering):
    """`runtime.generate`: call it, or its form `safe`."""

    def __init__(self, defaults: Options) -> None:
        self._options = defaults

    @property
    def _defaults(self) -> Options:
        return self._options

    # fmt: off
    @overload
    def safe(self, prompt: _One, /, output_type: Mapping[str, object], **options: Unpack[GenerateOptions]) -> Result[Any, PromptError]: ...  # type: ignore[overload-overlap]
    @overload
    def safe(self, prompt: _Several, /, output_type: Mapping[str, object], **options: Unpack[GenerateOptions]) -> list[Result[Any, PromptError]]: ...
    @overload
    def safe(self, prompt: _One, /, output_type: re.Pattern[str], **options: Unpack[GenerateOptions]) -> Result[str, PromptError]: ...  # type: ignore[overload-overlap]
    @overload
    def safe(self, prompt: _Several, /, output_type: re.Pattern[str], **options: Unpack[GenerateOptions]) -> list[Result[str, PromptError]]: ...
    @overload
    def safe(self, prompt: _Several, /, output_type: list[Kind] | tuple[Kind, ...], **options: Unpack[GenerateOptions]) -> list[Result[object, PromptError]]: ...
    @overload
    def safe(self, prompt: _One, /, output_type: TypeForm[T], **options: Unpack[GenerateOptions]) -> Result[T, PromptError]: ...  # type: ignore[overload-overlap]
    @overload
    def safe(self, prompt: _Several, /, output_type: TypeForm[T], **options: Unpack[GenerateOptions]) -> list[Result[T, PromptError]]: ...  # type: ignore[overload-overlap]
    @overload
    def safe(self, prompt: _One, /, output_type: Callable[..., R], **options: Unpack[GenerateOptions]) -> Result[ToolCall[R], PromptError]: ...  # type: ignore[overload-overlap]
    @overload
    def safe(self, prompt: _Several, /, output_type: Callable[..., R], **options: Unpack[GenerateOptions]) -> list[Result[ToolCall[R], PromptError]]: ...
    @overload
    def safe(self, prompt: _One, /, **options: Unpack[GenerateOptions]) -> Result[str, PromptError]: ...  # type: ignore[overload-overlap]
    @overload
    def safe(self, prompt: _Several, /, **options: Unpack[GenerateOptions]) -> list[Result[str, PromptError]]: ...
    # fmt: on
    def safe(self, prompt: Any, /, output_type: Any = str, **options: Any) -> Any:
        """Answer as a call of `generate` does, with a `Result` (returns) in place of each value or error.

        Args:
            prompt: As for `generate`.
            output_type: The type of the answer, or one for each prompt.
            **options: As for `generate`.

        Returns:
            `Success(value)` or `Failure(error)`; for a list of prompts a list of these, in order.

        Raises:
            BatchError: More than `max_failures` of the prompts failed.
            PromptUsageError: An option does not exist, or does not go with the type.
            UnsupportedType: The type has no JSON form.

        Example:
            >>> from typefold import Runtime
            >>> from typefold.runtime.engines.scripted import ScriptedEngine
            >>> with Runtime(ScriptedEngine(answers=["yes", "7"])) as runtime:
            ...     for result in runtime.generate.safe(["Is it?", "How many?"], output_type=[bool, int]):
            ...         print(type(result).__name__)
            Failure
            Success
        """
        return self._answered(prompt, output_type, options, safe=True)


def checked_output_type(hint: Any, *, one: bool) -> Any:
    """Return the type with types in the place of JSON schemas. Refuses what other libraries take there: texts, parameters."""
    every = hint if is_list_or_tuple(hint) else (hint,)
    if any(isinstance(each, str) for each in every):
        if every is not hint:
            raise PromptUsageError(
                f"generate(): output_type is a type, not the text {hint!r:.80}; of the text of a JSON schema give "
                f"json.loads(text)"
            )
        names = [repr(each) for each in every] if len(every) <= 3 else [*map(repr, every[:2]), "..."]
        raise PromptUsageError(
            f"generate(): output_type is a type, not a list of texts; for one of them write Literal[{', '.join(names)}], or "
            f"Annotated[str, OneOf(names)] for names that the program makes"
        )
    if one and every is hint:
        raise PromptUsageError(
            "generate(): a list of types goes with a list of prompts, one type a prompt; for an answer of one of several "
            "types write a union, A | B"
        )
    if any(map(_are_parameters, every)):
        raise PromptUsageError("generate(): output_type is a type; sampling parameters go in sampling_params=")
    types = [_of_schema(_written(each)) if is_mapping(each) else each for each in every]
    return types if every is hint else types[0]


def _are_parameters(value: object) -> bool:
    """Return whether a value is sampling parameters, which vLLM's `generate` and `chat` take behind the prompts."""
    if is_mapping(value):
        return not SamplingOptions.__annotations__.keys().isdisjoint(value)
    return not isinstance(value, type) and hasattr(value, "max_tokens")


def _written(schema: Mapping[Any, Any]) -> str:
    try:
        return json.dumps(schema)
    except (TypeError, ValueError):
        raise _no_schema(schema) from None


@lru_cache(maxsize=256)
def _of_schema(written: str) -> Any:
    schema = json.loads(written)
    made = type_of_schema(schema)
    if made.document.keywords.isdisjoint(schema):
        raise _no_schema(schema)  # by the standard it allows any JSON, which nobody means who writes {"name": "string"}
    return made


def _no_schema(given: Mapping[Any, Any]) -> PromptUsageError:
    return PromptUsageError(
        f"generate(): a dictionary as output_type is a JSON schema, and {dict(given)!r:.80} is none; for fields by their "
        f"types write a class (a pydantic model, a dataclass, a TypedDict)"
    )


def _a_row(value: object, rows: int, name: str) -> Sequence[Any]:
    if not is_list_or_tuple(value):
        return [value] * rows
    if len(value) != rows:
        raise PromptUsageError(f"generate() was given {rows} prompts, and a list of {len(value)} for {name}")
    return value


def is_one(prompt: object) -> bool:
    """Return whether this is one prompt, and no list of them."""
    return isinstance(prompt, str) or (is_list_or_tuple(prompt) and len(prompt) > 0 and all(map(is_turn, prompt)))


def call_for(prompt: Any, hint: Any, options: Options, *, mixed: bool = False) -> Call[Any]:
    """Return the call for a prompt; `mixed` if the options are shared with calls for other types."""
    assert options.runtime is not None
    compiled = compile_return(hint, options.json_format, path="output_type")
    compiled.check(options, where=GENERATE, shared=mixed)
    strategy, kind = compiled.strategy, compiled.kind
    if is_missing(prompt):
        raise BadInput(function=GENERATE, reason=f"the prompt is {prompt}, a missing value; fill or drop such rows")
    messages = prompt if isinstance(prompt, RawPrompt) else _messages(prompt)
    messages = with_format(messages, kind, options, where=GENERATE)
    strategy.check_prompt(messages, kind, options, where=GENERATE)
    return Call(GENERATE, messages, kind, options, strategy, options.runtime)


def _messages(prompt: Any) -> tuple[Message, ...]:
    turns = [user(prompt)] if isinstance(prompt, str) else [*prompt]
    if not turns or not all(map(is_turn, turns)):
        raise PromptUsageError(
            "generate() takes a text, a list of messages (system, user, assistant), or a list of these"
        )
    return tuple(map(message_of, turns))
