"""JSON strings: an expression of bare texts, made into the expression of their canonical JSON forms.

Canonical: between quotation marks, with only the escapes that JSON demands (RFC 8259, section 7), each in the form that
`json.dumps(..., ensure_ascii=False)` writes. So each text has exactly one JSON form, and a lone surrogate has none.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import assert_never

from typefold.compiler.grammar.nodes import (
    ANY,
    CharClass,
    Choice,
    Expr,
    Lit,
    Ref,
    Repeat,
    Seq,
    char_class,
    choice,
    rebuild,
    seq,
)

_CONTROL = char_class((0x00, 0x1F))
_SPECIAL = _CONTROL | char_class('"\\')
_SHORT = {char: json.dumps(char)[1:-1] for char in '"\\\b\t\n\f\r'}

ANY_TEXT = Repeat(ANY, 0, None)
"""Any text at all, bare."""

JSON_CHAR = choice(
    ~_SPECIAL,
    seq("\\", char_class('"\\bfnrt')),
    seq("\\u000", char_class((0x30, 0x37), "bef")),
    seq("\\u001", char_class((0x30, 0x39), (0x61, 0x66))),
)
"""Any one character in its JSON form."""


def json_string(text: Expr) -> Expr:
    """The JSON strings whose values are the texts of `text`."""
    return seq('"', escaped(text), '"')


@lru_cache(maxsize=4096)
def escaped(expr: Expr) -> Expr:
    """The expression with each character in its form between JSON's quotation marks."""
    match expr:
        case Lit(text):
            return Lit(json.dumps(text, ensure_ascii=False)[1:-1])
        case CharClass():
            return JSON_CHAR if expr == ANY else _escaped_class(expr)
        case Seq() | Choice() | Repeat():
            return rebuild(expr, escaped)
        case Ref(name):
            raise ValueError(f"a bare text cannot refer to the rule {name!r} inside a JSON string")
        case _:
            assert_never(expr)


def _escaped_class(chars: CharClass) -> Expr:
    plain, special = chars - _SPECIAL, chars & _SPECIAL
    forms = [special.nth(index) for index in range(len(special))]
    escapes = [_SHORT.get(char, f"\\u{ord(char):04x}") for char in forms]
    return choice(*([plain] if len(plain) else []), *escapes)
