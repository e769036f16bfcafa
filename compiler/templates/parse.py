"""Jinja2's environment for prompts, and a parser whose nodes know their offset in the template.

Jinja2's nodes know only their line. Its parser copies a token's line number unread, so tokens with an offset in its place
give a tree of offsets, and errors with offsets. Importing this module imports jinja2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sized
from functools import cache
from math import inf
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.lexer import TokenStream
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from typefold.compiler.message import text_of

_LARGEST = 10_000_000  # bytes, or bits of a number, that one operator of a template may make
_WIDE = re.compile(r"%[^%a-zA-Z]*(?:\d{6,}|\*)")


class _Sandbox(SandboxedEnvironment):
    """Jinja2's sandbox with a limit on the values that operators make. The optimiser skips intercepted operators too."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if _made(operator, left, right) > _LARGEST:
            raise SecurityError(
                f"the template makes a value of more than {_LARGEST:,} characters or bits with {operator}"
            )
        return super().call_binop(context, operator, left, right)


def _made(operator: str, left: Any, right: Any) -> float:
    match operator, left, right:
        case "**", int(), int():
            return abs(left).bit_length() * max(right, 0)
        case "*", int(), int():
            return left.bit_length() + right.bit_length()
        case "*", int(), Sized():
            return left * len(right)
        case "*", Sized(), int():
            return right * len(left)
        case "%", str(), _:
            return inf if _WIDE.search(left) else 0
        case _:
            return 0


class BadSyntax(ValueError):
    """A template that Jinja2 can't read: its message, and the offset at which it noticed."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason, offset)
        self.reason = reason
        self.offset = offset


@cache
def environment() -> SandboxedEnvironment:
    """The environment that parses and renders the templates of prompts."""
    return _Sandbox(
        undefined=StrictUndefined,
        finalize=_shown,
        autoescape=False,  # prompts are no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


def placed(source: str) -> nodes.Template:
    """Parse a template; a node's `lineno` is the offset of its token. Raises BadSyntax."""
    reader = environment()
    try:
        parser = Parser(reader, "")
        parser.stream = TokenStream(reader.lexer.wrap(_tokens(source)), None, None)
        return parser.parse()
    except TemplateSyntaxError as error:
        raise BadSyntax((error.message or "it can't be read").rstrip("."), min(error.lineno, len(source))) from error


def plain(source: str) -> Iterator[tuple[int, str]]:
    """The literal texts of a template with their offsets, except those in `{% raw %}`."""
    raw = False
    for start, kind, text in _tokens(source):
        if kind == "data" and not raw:
            yield start, text
        raw = kind == "raw_begin" or (raw and kind != "raw_end")


def _tokens(source: str) -> Iterator[tuple[int, str, str]]:
    """The lexer's tokens with offsets in place of lines. It drops only whitespace between tokens, so each can be found."""
    end = 0
    try:
        for _, kind, text in environment().lexer.tokeniter(source, None):
            start = source.find(text, end)
            end = start + len(text)
            yield start, kind, text
    except TemplateSyntaxError as error:
        blank = len(source[end:]) - len(source[end:].lstrip())
        said = re.sub(r" at \d+$", "", error.message or "it can't be read")  # of the line that it was read in
        raise TemplateSyntaxError(said, end + blank) from error


def _shown(value: object) -> object:
    return value if isinstance(value, Undefined) else text_of(value)  # an undefined one raises when it is shown
