"""`Runtime.generate`: prompts and a type, with no function around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typefold.compiler import Message
from typefold.compiler.guards import is_list_or_tuple
from typefold.errors import PromptUsageError
from typefold.execution.call import Call, failed_call, values, with_shape
from typefold.execution.executor import run_call, run_calls
from typefold.execution.strategies import compile_return
from typefold.messages import RawPrompt, is_missing, user
from typefold.options import PER_PROMPT, Options
from typefold.runtime import BadInput, PromptError

_NAME = "generate"


def generate(defaults: Options, prompt: Any, hint: Any, changes: Mapping[str, Any]) -> Any:
    """Return one value, or a list of them; see `Runtime.generate`."""
    if _is_one(prompt):
        return run_call(_call(prompt, hint, defaults.with_(changes, where=_NAME)))
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
    shared = defaults.with_(common, where=_NAME)
    calls: list[Call[Any] | PromptError] = []
    for row, (each, kind) in enumerate(zip(prompt, hints, strict=True)):
        own = {name: entries[row] for name, entries in varied.items()}
        options = shared.with_(own, where=_NAME) if own else shared
        try:
            calls.append(_call(each, kind, options, mixed=is_list_or_tuple(hint)))
        except BaseException as error:
            calls.append(failed_call(error, _NAME, row))
    return values(run_calls(calls, max_failures=shared.max_failures))


def _a_row(value: object, rows: int, name: str) -> Sequence[Any]:
    if not is_list_or_tuple(value):
        return [value] * rows
    if len(value) != rows:
        raise PromptUsageError(f"generate() was given {rows} prompts, and a list of {len(value)} for {name}")
    return value


def _is_one(prompt: object) -> bool:
    return isinstance(prompt, str) or (
        is_list_or_tuple(prompt) and len(prompt) > 0 and all(isinstance(item, Message) for item in prompt)
    )


def _call(prompt: Any, hint: Any, options: Options, *, mixed: bool = False) -> Call[Any]:
    assert options.runtime is not None
    compiled = compile_return(hint, options.json_format, path="output_type")
    compiled.check(options, where=_NAME, shared=mixed)
    strategy, kind = compiled.strategy, compiled.kind
    if is_missing(prompt):
        raise BadInput(function=_NAME, reason=f"the prompt is {prompt}, a missing value; fill or drop such rows")
    messages = prompt if isinstance(prompt, RawPrompt) else with_shape(_messages(prompt), kind, options)
    strategy.check_prompt(messages, kind, options, where=_NAME)
    return Call(_NAME, messages, kind, options, strategy, options.runtime)


def _messages(prompt: Any) -> tuple[Message, ...]:
    messages = (user(prompt),) if isinstance(prompt, str) else tuple(prompt)
    if not messages or not all(isinstance(message, Message) for message in messages):
        raise PromptUsageError(
            "generate() takes a text, a list of messages (system, user, assistant), or a list of these"
        )
    return messages
