"""The description of an answer's form: the words at the end of the system message.

They depend on the type, the format of its JSON and the option `describe_format`, and never on a row's data. So they are made
once, and belong to the beginning that the prompts of a batch share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from typefold.compiler import Message, OutputType, TemplateError
from typefold.compiler.contained import describe_exception, is_fatal
from typefold.compiler.guards import class_of
from typefold.errors import AT_ONCE, PromptUsageError
from typefold.messages import RawPrompt
from typefold.options import DescribeFormat, Options, own_words

_MOST_KNOWN = 4096
_known: dict[tuple[int, int], tuple[OutputType[Any], DescribeFormat, str]] = {}
"""Descriptions by the identities of a type and an option, which are held here: a long choice takes a while to be listed."""


def describe_format(kind: OutputType[Any], options: Options, *, where: str) -> str:
    """Return the words that a prompt adds to describe its answer's form; an empty text where it adds none.

    Raises PromptUsageError or TemplateError where own words can't be made.
    """
    option = True if options.describe_format is None else options.describe_format
    if option is False:
        return ""
    key = (id(kind), id(option))
    if (found := _known.get(key)) is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        if option is True:
            words = _default(kind)
        else:
            words = _filled(kind, option, where) if isinstance(option, str) else _made(kind, option, where)
        found = _known[key] = (kind, option, words if words.strip() else "")
    return found[2]


def with_format(
    messages: tuple[Message, ...] | RawPrompt, kind: OutputType[Any], options: Options, *, where: str
) -> tuple[Message, ...] | RawPrompt:
    """Put the description of the format behind the first system message, or as one before all others.

    A raw prompt is complete, and nothing is added to it.
    """
    if isinstance(messages, RawPrompt) or not (words := describe_format(kind, options, where=where)):
        return messages
    if messages and messages[0].role == "system":
        first, *rest = messages
        return (replace(first, content=f"{first.content}\n\n{words}" if first.content else words), *rest)
    return (Message("system", words), *messages)


_NUMBERS = {"boolean": "true or false", "integer": "an integer", "number": "a number"}


def _default(kind: OutputType[Any]) -> str:
    """Return typefold's words, in the wordings that were measured to be the best; see docs/performance.md."""
    shape = kind.shape
    if shape is None:
        return ""
    if kind.is_bare:
        *most, last = kind.constraint.spec if isinstance(kind.constraint.spec, tuple) else ("",)
        if shape != f"one of: {', '.join([*most, last])}" or " or " in shape:  # something is to be said besides
            return f"Answer with {shape}"
        return f"Answer {', '.join(most)} or {last}." if most else f"Answer {last}."
    name = shape.partition(" ")[0]
    if name in _NUMBERS and not {"type", "enum"}.isdisjoint(kind.json_schema):
        return f"Answer with {_NUMBERS[name]}{shape.removeprefix(name)}."
    return f"Answer with JSON in this form:\n{shape}"


def _filled(kind: OutputType[Any], source: str, where: str) -> str:
    template = own_words(source)
    if kind.shape is None and "format" in template.used:
        return ""
    from jinja2 import TemplateError as JinjaError  # 30 ms to import, and few prompts have such a template

    try:
        return template.render({"format": kind.shape})
    except JinjaError as error:
        raise TemplateError(f"{where}: describe_format can't be rendered: {error}") from error


def _made(kind: OutputType[Any], describe: Callable[[OutputType[Any]], str], where: str) -> str:
    name = getattr(describe, "__qualname__", None) or class_of(describe).__name__
    try:
        words: Any = describe(kind)
    except BaseException as error:  # whatever a function of the user's raises
        if is_fatal(error) or isinstance(error, AT_ONCE):
            raise
        raise PromptUsageError(f"{where}: describe_format={name} failed: {describe_exception(error)}") from error
    if not isinstance(words, str):
        raise PromptUsageError(
            f"{where}: describe_format={name} returned {words!r:.80}, not a text; return '' to add nothing"
        )
    return words
