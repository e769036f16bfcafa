"""`Runtime.generate`: prompts and a type, with no function around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from typefold.compiler import Message, output_type
from typefold.compiler.guards import is_list_or_tuple
from typefold.errors import PromptUsageError
from typefold.execution.call import Call, attempt, values, with_shape
from typefold.execution.executor import answer, answers
from typefold.execution.strategies import form_of
from typefold.messages import RawPrompt, is_missing, user
from typefold.options import PER_PROMPT, Options
from typefold.runtime import BadInput, PromptError

if TYPE_CHECKING:
    from typefold.runtimes.runtime import Runtime

_NAME = "generate"


def generate(runtime: Runtime, prompt: Any, hint: Any, changes: Mapping[str, Any]) -> Any:
    """One value, or a list of them; see `Runtime.generate`."""
    if _is_one(prompt):
        return answer(_call(prompt, hint, runtime.options(changes, where=_NAME)))
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
    shared = runtime.options({name: value for name, value in changes.items() if name not in varied}, where=_NAME)
    calls: list[Call[Any] | PromptError] = []
    for row, (each, kind) in enumerate(zip(prompt, hints, strict=True)):
        own = {name: entries[row] for name, entries in varied.items()}
        options = shared.with_(own, where=_NAME) if own else shared
        calls.append(attempt(partial(_call, each, kind, options, mixed=is_list_or_tuple(hint)), _NAME, row))
    return values(answers(calls, most=shared.max_failures))


def _a_row(value: object, rows: int, name: str) -> Sequence[Any]:
    """One entry for each row: those of a list, or the one value again and again."""
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
    form = form_of(hint, "output_type")
    kind = output_type(form.hint, json_format=options.json_format, path=form.path)
    options.check(kind, where=_NAME)
    form.check(kind, where=_NAME)
    if not mixed:  # options that are set for rows of other types too need mean nothing to this one
        form.check_options(options, where=_NAME)
    if is_missing(prompt):
        raise BadInput(function=_NAME, reason=f"the prompt is {prompt}, a missing value; fill or drop such rows")
    if isinstance(prompt, RawPrompt):
        return Call(_NAME, prompt, kind, options, form)
    messages = (user(prompt),) if isinstance(prompt, str) else tuple(prompt)
    if not messages or not all(isinstance(message, Message) for message in messages):
        raise PromptUsageError(
            "generate() takes a text, a list of messages (system, user, assistant), or a list of these"
        )
    return Call(_NAME, with_shape(messages, kind, options), kind, options, form)
