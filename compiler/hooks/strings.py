"""Text: plain, of bounded length, or of a pattern. At the root it is bare, inside JSON a string."""

from __future__ import annotations

import re
from typing import Any

from pydantic import EncodedStr

from typefold.compiler.context import Context
from typefold.compiler.hooks.binary import encoded_str_wire
from typefold.compiler.hooks.own import Grammar, grammar_wire, one_of_wire
from typefold.compiler.regex import UnsupportedPattern, pattern_language
from typefold.compiler.registry import default_registry
from typefold.compiler.strings import ANY_TEXT, json_string
from typefold.compiler.type_wire import JsonSchema, Wire
from typefold.compiler.wire import ANY, EMPTY, Expr, Repeat, char_class

LENGTHS = ("min_length", "max_length")
LONGEST_EXACT = 256
"""A longer `max_length` is left to a post-check and a token limit: as a grammar it would be slow to compile."""


@default_registry.hook(str)
def str_wire(hint: type[str], context: Context) -> Wire[str]:
    """Any characters; length and pattern are in the grammar, each where it stands alone."""
    context.allow(hint, *LENGTHS, "pattern", "strip_whitespace", "to_lower", "to_upper", "ascii_only", "one_of")
    limits = context.limits
    if marks := limits.claim(EncodedStr):
        return encoded_str_wire(hint, marks[-1], context)
    if grammars := limits.claim(Grammar):
        return grammar_wire(hint, grammars[-1], context)
    if (names := limits.take("one_of")) is not None:
        return one_of_wire(hint, names, context)
    schema: JsonSchema = {"type": "string"}
    patterns = limits.all("pattern")
    least, most = limits.peek("min_length"), limits.peek("max_length")
    if least is not None and most is not None and least > most:
        raise context.refuse(hint, f"has bounds that no text meets (min_length={least}, max_length={most})")
    text: Expr = ANY_TEXT
    if patterns:
        schema["pattern"] = getattr(patterns[-1], "pattern", patterns[-1])
        text = _pattern(hint, patterns, context)
    elif least is not None or most is not None:
        text = _bounded(context)
    if least is not None:
        schema["minLength"] = least
    if most is not None:
        schema["maxLength"] = most
    if limits.peek("ascii_only") and text == ANY_TEXT:
        limits.take("ascii_only")
        text = Repeat(_ASCII, 0, None)
    return Wire(json_string(text), schema, _same, _same, lambda value: type(value) is str, bare=text, plain=True)


_ASCII = char_class((0x00, 0x7F))


def _pattern(hint: Any, patterns: list[str | re.Pattern[str]], context: Context) -> Expr:
    """The first pattern's language; what else is asked is checked after, and so is what looks ahead or behind."""
    first = patterns[0]
    text = first if isinstance(first, str) else first.pattern
    python = context.has_python_patterns or not isinstance(first, str)
    try:
        if not isinstance(first, str) and first.flags & ~re.UNICODE:
            raise UnsupportedPattern(f"{first!r} sets flags; write the classes out instead")
        if _LOOKAROUND.search(text) and python:  # pydantic's default engine has none, and refuses it
            return pattern_language(text, python=True, relaxed=True)
        expr = pattern_language(text, python=python)
    except UnsupportedPattern as error:
        raise context.refuse(hint, f"has a pattern that cannot be enforced: {error}") from error
    if len(patterns) == 1:
        context.limits.take("pattern")
    return expr


_LOOKAROUND = re.compile(r"\(\?<?[=!]")


def _bounded(context: Context) -> Expr:
    least, most = context.limits.peek("min_length") or 0, context.limits.peek("max_length")
    if least <= LONGEST_EXACT:
        context.limits.take("min_length")
    else:
        least = 0
    if most is not None and most <= LONGEST_EXACT:
        context.limits.take("max_length")
    else:
        most = None
    return Repeat(ANY, least, most) if most != 0 else EMPTY


def _same(value: str) -> str:
    return value
