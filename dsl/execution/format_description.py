"""The description of an answer's form: the words at the end of the last user message.

They depend on the type, the format of its JSON and the option `describe_format`, and never on a row's data. So they are made
once, and prompts that begin alike go on sharing their beginnings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typefold.compiler import Message, OutputType, TemplateError
from typefold.compiler.contained import describe_exception, is_fatal
from typefold.compiler.guards import class_of
from typefold.errors import AT_ONCE, PromptUsageError
from typefold.messages import RawPrompt
from typefold.options import DescribeFormat, Options, own_words

_TELLS_BARE = False  # where no option says so; as measured, see docs/performance.md
_MOST_KNOWN = 4096
_known: dict[tuple[int, int], tuple[OutputType[Any], DescribeFormat, str]] = {}
"""Descriptions in own words, by the identities of a type and an option, which are held here."""


def describe_format(kind: OutputType[Any], options: Options, *, where: str) -> str:
    """Return the words that a prompt adds to describe its answer's form; an empty text where it adds none.

    Raises PromptUsageError or TemplateError where own words can't be made.
    """
    option = options.describe_format
    if option is None or isinstance(option, bool):
        told = option or (option is None and (_TELLS_BARE or not kind.is_bare))
        return _default(kind) if told else ""
    key = (id(kind), id(option))
    if (found := _known.get(key)) is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        words = _filled(kind, option, where) if isinstance(option, str) else _made(kind, option, where)
        found = _known[key] = (kind, option, words if words.strip() else "")
    return found[2]


def with_format(
    messages: tuple[Message, ...] | RawPrompt, kind: OutputType[Any], options: Options, *, where: str
) -> tuple[Message, ...] | RawPrompt:
    """Add the description of the format to the last user message, or, where there is none, to the last of the system's.

    A raw prompt is complete, and nothing is added to it.
    """
    if isinstance(messages, RawPrompt) or not (words := describe_format(kind, options, where=where)):
        return messages
    for role in ("user", "system"):
        for index in reversed(range(len(messages))):
            if messages[index].role == role:
                told = messages[index]
                told = Message(told.role, f"{told.content}\n\n{words}" if told.content else words, told.images)
                return (*messages[:index], told, *messages[index + 1 :])
    return messages


def _default(kind: OutputType[Any]) -> str:
    if kind.shape is None:
        return ""
    return f"Answer with {kind.shape}" if kind.is_bare else f"Answer with JSON in this form:\n{kind.shape}"


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
