"""Text: plain, of bounded length, or of a pattern. At the root it is bare, inside JSON a string."""

from __future__ import annotations

import re
from math import inf
from typing import Any

from pydantic import EncodedStr

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import ANY_TEXT, json_string
from typefold.compiler.grammar.lengths import char_bounds, of_length
from typefold.compiler.grammar.nodes import ANY, EMPTY, NEVER, Expr, Repeat, char_class, choice, repeat, seq
from typefold.compiler.grammar.regex import UnsupportedPattern, pattern_language, white_space
from typefold.compiler.registry import default_registry
from typefold.compiler.types.binary import encoded_str_codec
from typefold.compiler.types.markers import Grammar, grammar_codec, one_of_codec

LENGTHS = ("min_length", "max_length")
LONGEST_EXACT = 256
"""A longer `max_length` is left to a post-check and a token limit: as a grammar it would be slow to compile."""


@default_registry.hook(str)
def str_codec(hint: type[str], context: Context) -> Codec[str]:
    """Any characters; length and pattern are in the grammar, both together where that stays small."""
    context.allow(hint, *LENGTHS, "pattern", "strip_whitespace", "to_lower", "to_upper", "ascii_only", "one_of")
    limits = context.limits
    if marks := limits.claim(EncodedStr):
        return encoded_str_codec(hint, marks[-1], context)
    if grammars := limits.claim(Grammar):
        return grammar_codec(hint, grammars[-1], context)
    if (names := limits.take("one_of")) is not None:
        return one_of_codec(hint, names, context)
    schema: JsonSchema = {"type": "string"}
    patterns = limits.all("pattern")
    least, most = limits.peek("min_length"), limits.peek("max_length")
    if least is not None and most is not None and least > most:
        raise context.refuse(hint, f"has bounds that no text meets (min_length={least}, max_length={most})")
    text: Expr = ANY_TEXT
    if patterns:
        schema["pattern"] = getattr(patterns[-1], "pattern", patterns[-1])
        text = _of_length(_pattern(hint, patterns, context), context)
        if text == NEVER:
            raise context.refuse(hint, f"has a pattern that no text of {_said(least, most)} meets")
    elif least is not None or most is not None:
        text = _bounded(context)
        if limits.peek("strip_whitespace"):
            limits.take("strip_whitespace")
            text = _trimmed(text)
    if least is not None:
        schema["minLength"] = least
    if most is not None:
        schema["maxLength"] = most
    if limits.peek("ascii_only") and text == ANY_TEXT:
        limits.take("ascii_only")
        text = Repeat(_ASCII, 0, None)
    return Codec(json_string(text), schema, _same, _same, lambda value: type(value) is str, bare=text, plain=True)


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


def _of_length(text: Expr, context: Context) -> Expr:
    """A pattern's texts of the length that is asked for, as far as that stays small; the rest is checked after."""
    limits = context.limits
    least, most = limits.peek("min_length") or 0, limits.peek("max_length")
    bound = inf if most is None else most
    shortest, longest = char_bounds(text)
    if longest > bound > LONGEST_EXACT:
        bound = inf
    if shortest < least > LONGEST_EXACT:
        least = 0
    for names, low, high in (
        (LENGTHS, least, bound),
        (("min_length",), least, inf),
        (("max_length",), 0, bound),
    ):
        made = of_length(text, low, high)
        if made is not None:
            for name in names:
                if low == (limits.peek(name) or 0) if name == "min_length" else high == limits.peek(name):
                    limits.take(name)
            return made
    return text


def _said(least: int | None, most: int | None) -> str:
    if least is None or most is None:
        return f"at most {most} characters" if least is None else f"at least {least} characters"
    return f"{least} to {most} characters"


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


def _trimmed(text: Expr) -> Expr:
    """The texts of these lengths without a space at either end: what pydantic leaves as it is, so no length changes."""
    if not isinstance(text, Repeat):
        return text  # the empty one alone
    least, most = text.least, text.most
    visible = ANY - white_space()
    if most is None or most > 1:
        between = repeat(ANY, max(least - 2, 0), None if most is None else most - 2)
        longer: Expr = seq(visible, between, visible)
    else:
        longer = NEVER
    options: list[Expr] = [EMPTY, visible, longer]
    return choice(*(option for option in options[least:] if option != NEVER)) if least < 2 else longer


def _same(value: str) -> str:
    return value
