"""`Scored` as a part of a type: its codec, its choices, and its places in the text of an answer.

In JSON it is the choice alone. Where the probabilities go is found by writing the value once more, with a mark for each `Scored`
in it, and reading the answer's text beside that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from json import JSONDecoder
from typing import Any, NamedTuple, get_args

from typefold.compiler import Codec, DecodeError, OutputType, UnsupportedType, default_registry
from typefold.compiler.context import Context
from typefold.compiler.grammar.enumerate import enumerate_texts
from typefold.compiler.grammar.nodes import Language
from typefold.compiler.guards import is_dict, is_list
from typefold.compiler.json_format import Exact
from typefold.response_types import Scored

MOST_CHOICES = 1000
_marking: ContextVar[bool] = ContextVar("_marking", default=False)
_read = JSONDecoder().raw_decode
_BETWEEN = re.compile(r"[\s,:]*")


class Mark(Exact):
    """The text of a `Scored` part, with itself, its path and its choices by text."""

    scored: Scored[Any]
    path: str
    choices: Mapping[str, Any]


class Place(NamedTuple):
    """The place of a `Scored` part in the text of an answer."""

    mark: Mark
    begin: int
    end: int


@default_registry.hook(Scored)
def scored_codec(hint: Any, context: Context) -> Codec[Scored[Any]]:
    """The choice itself; its type must be one of few."""
    if not get_args(hint):
        raise context.refuse(
            hint, 'does not say what the choices are; write Scored[bool], Scored[Literal["a", "b"]] or the like'
        )
    if context.is_key:
        raise context.refuse(hint, "is no key of an object; use it for the values")
    [inside] = get_args(hint)
    inner = context.codec(inside)
    try:
        language = Language(inner.expr, context.compilation.rules)
        choices = choices_of(language, lambda text: inner.from_json(json.loads(text)), context.refuse, inside)
    except KeyError as error:
        raise context.refuse(
            hint, "is part of its own choices; Scored is for a Literal, an Enum, bool and other types of few"
        ) from error
    context.compilation.scored[context.path] = None
    wrapped = inner.wrapped(Scored, Scored.of, lambda scored: scored.value)

    def to_json(scored: Scored[Any]) -> Any:
        data = inner.to_json(scored.value)
        if not _marking.get():
            return data
        mark = Mark(context.json_format.dump(data))
        mark.scored, mark.path, mark.choices = scored, context.path, choices
        return mark

    return replace(wrapped, bare=inner.bare, to_json=to_json, fit=inner.fit)


def choices_of(
    language: Language | None,
    read: Callable[[str], Any],
    refuse: Callable[[Any, str], UnsupportedType],
    hint: Any,
    name: str = "Scored",
) -> dict[str, Any]:
    """Return the texts that an answer can be, with their values. Raises the refusal for too many, or for equal ones."""
    texts = None if language is None else enumerate_texts(language, MOST_CHOICES)
    if texts is None:
        raise refuse(
            hint,
            f"has more than {MOST_CHOICES:,} answers; {name} is for a Literal, an Enum, bool and other types of few",
        )
    choices: dict[str, Any] = {}
    known: dict[Any, Any] = {}
    for text in texts:
        try:
            value = choices[text] = read(text)
            same = known.setdefault(value, value)
        except TypeError as error:
            raise refuse(hint, f"has values that can't be keys of a dict, as {name} needs them") from error
        except (DecodeError, ValueError) as error:
            detail = error.detail if isinstance(error, DecodeError) else str(error)
            raise refuse(
                hint, f"admits {text!r}, which fails a check ({detail}); for {name} leave the check out"
            ) from error
        if type(same) is not type(value):
            raise refuse(hint, f"has the choices {same!r} and {value!r}, which Python calls equal")
    return choices


def places_in(kind: OutputType[Any], value: Any, text: str) -> list[Place]:
    """Return the places of the `Scored` parts of a value in the text that it was read from, in their order."""
    token = _marking.set(True)
    try:
        data = kind.codec.to_json(value)
    finally:
        _marking.reset(token)
    if kind.is_bare and isinstance(data, Mark):
        data.choices = {json.loads(choice): value for choice, value in data.choices.items()}
        return [Place(data, 0, len(text))]
    return list(_places(data, text, 0))


def relative(kind: OutputType[Any], path: str) -> str:
    """Return the path of a part from the type that it is a part of: `lines[].kind`."""
    return path.removeprefix(next(iter(kind.parts))).removeprefix(".")


def _places(data: Any, text: str, at: int) -> Iterator[Place]:
    """The marks in data, beside the text that begins at a place; what only one of the two has is passed over."""
    if isinstance(data, Mark):
        yield Place(data, at, _read(text, at)[1])
        return
    if text[at] not in "[{":
        return
    items: Iterator[Any] | None = iter(data) if is_list(data) else None
    closing, at = "]" if text[at] == "[" else "}", at + 1
    while text[at := _skipped(text, at)] != closing:
        inside: Any = None
        if closing == "}":
            key, at = _read(text, at)
            at, inside = _skipped(text, at), data.get(key) if is_dict(data) else None
        elif items is not None:
            inside = next(items, None)
        yield from _places(inside, text, at)
        at = _read(text, at)[1]


def _skipped(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return at if found is None else found.end()
