r"""Parser of the regular expressions of Rust's engine, pydantic's default: what Python's parser cannot read, or reads otherwise.

The tree has the nodes of the standard library's parser, so that one translation serves both. Anything that is one character
(`\p{L}`, `[a-z&&[^aeiou]]`, `[[:alpha:]]`, a letter under `(?i)`) is never interpreted here: its extent is found, and the
engine itself is asked which characters it matches. So versions of Unicode, case folding and operations on sets are right by
construction. Left out, by `UnsupportedPattern`: what may only stand where the engine works on bytes or on lines that end in
`\r\n`.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (the codes of the standard library's parser have no types)
from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from re import _constants as op  # type: ignore[attr-defined]  # the parser has no public name since Python 3.11
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from typefold.compiler.grammar.nodes import ANY, CharClass, char_class

_BLOCK = 4096  # code points in one query
CLASS = "one character of a class"
"""The code of a node that holds a `CharClass`."""

_FLAGS = re.compile(r"\(\?([imsUuxR]*)(?:-([imsUuxR]+))?([:)])")
_GROUP = re.compile(r"\((?:\?P?<[^>]*>)?(?!\?)")
_COUNT = re.compile(r"\{\s*(\d+)\s*(?:(,)\s*(\d*)\s*)?\}")
_POINT = re.compile(r"\\(?:[xuU]\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))")
_PROPERTY = re.compile(r"\\[pP](?:\{[^}]*\}|.)|\\[dDsSwW]")
_EDGE = re.compile(r"\\b\{[a-z-]+\}|\\[bB<>]")
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


class UnsupportedPattern(ValueError):
    """A pattern that has no exact translation; the message names the part."""


def matches(pattern: str) -> Callable[[str], bool]:
    """Whether pydantic's engine finds `pattern` in a text. Raises UnsupportedPattern where it refuses the pattern."""
    try:
        adapter = TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except SchemaError as error:
        reason = str(error).rpartition("error: ")[2].strip()
        raise UnsupportedPattern(f"{pattern!r} is no regular expression of pydantic's engine: {reason}") from error

    def find(text: str) -> bool:
        try:
            return bool(adapter.validate_python(text) == text)
        except ValidationError:
            return False

    return find


def members(
    all_in: Callable[[str], Any], all_out: Callable[[str], Any], domain: CharClass = ANY, block: int = _BLOCK
) -> CharClass:
    """The characters of `domain` in a class, found by halving: are all of a text in it, are all out of it?"""
    ranges: list[tuple[int, int]] = []
    pending = [
        (start, min(start + block - 1, high)) for low, high in domain.ranges for start in range(low, high + 1, block)
    ]
    while pending:
        low, high = pending.pop()
        text = "".join(map(chr, range(low, high + 1)))
        if all_in(text):
            ranges.append((low, high))
        elif low < high and not all_out(text):
            middle = (low + high) // 2
            pending += [(low, middle), (middle + 1, high)]
    return char_class(*ranges)


@lru_cache(maxsize=1024)
def engine_class(item: str, flags: str = "") -> CharClass:
    """The characters that a class matches, under flags such as `(?i)`."""
    return members(matches(f"{flags}^(?:{item})*$"), matches(f"{flags}^[^{item}]*$"))


@cache
def _cased() -> CharClass:
    return engine_class(r"\p{Changes_When_Casemapped}")


@lru_cache(maxsize=1024)
def _either_case(char: str) -> CharClass:
    """The characters that a letter matches under `(?i)`."""
    if char not in _cased():
        return char_class(char)
    item = rf"\x{{{ord(char):x}}}"
    texts = "".join(chr(point) for low, high in _cased().ranges for point in range(low, high + 1))
    is_out = matches(f"(?i)^[^{item}]*$")
    found: list[str] = []
    pending = [texts]
    while pending:
        text = pending.pop()
        if is_out(text):
            continue
        if len(text) == 1:
            found.append(text)
        else:
            pending += [text[: len(text) // 2], text[len(text) // 2 :]]
    return char_class("".join(found))


def parse(pattern: str) -> list[tuple[Any, Any]]:
    """The tree of a pattern that the engine takes. Raises UnsupportedPattern."""
    matches(pattern)
    parser = _Parser(pattern)
    tree = parser.alternatives({})
    if parser.at < len(pattern):
        raise UnsupportedPattern(f"{pattern!r} has {pattern[parser.at :]!r}, which is not understood here")
    return tree


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def alternatives(self, flags: dict[str, bool]) -> list[tuple[Any, Any]]:
        """The branches up to the end of a group; flags that are set inside hold from there on."""
        branches: list[list[tuple[Any, Any]]] = [[]]
        while self.at < len(self.text) and not self.text.startswith(")", self.at):
            if self.text[self.at] == "|":
                self.at += 1
                branches.append([])
            elif flags.get("x") and (blank := re.compile(r"(?:\s|#.*(?:\n|$))+").match(self.text, self.at)):
                self.at = blank.end()
            elif (found := _FLAGS.match(self.text, self.at)) and found[3] == ")":
                self.at = found.end()
                flags.update(_flags(found))
            else:
                branches[-1].append(self.counted(self.item(flags), flags))
        return branches[0] if len(branches) == 1 else [(op.BRANCH, (None, branches))]

    def counted(self, item: tuple[Any, Any], flags: dict[str, bool]) -> tuple[Any, Any]:
        """An item with the quantifiers behind it."""
        while self.at < len(self.text):
            if flags.get("x") and (blank := re.compile(r"\s+").match(self.text, self.at)):
                self.at = blank.end()
                continue
            count: tuple[int, Any]
            if found := _COUNT.match(self.text, self.at):
                least = int(found[1])
                count = least, (int(found[3]) if found[3] else op.MAXREPEAT) if found[2] else least
                self.at = found.end()
            elif (char := self.text[self.at]) in "*+?":
                count = (1 if char == "+" else 0), 1 if char == "?" else op.MAXREPEAT
                self.at += 1
            else:
                break
            self.at += self.text.startswith("?", self.at)  # lazy: it matters to what is captured alone
            item = op.MAX_REPEAT, (*count, [item])
        return item

    def item(self, flags: dict[str, bool]) -> tuple[Any, Any]:
        text, at = self.text, self.at
        if (found := _FLAGS.match(text, at)) or (found := _GROUP.match(text, at)):
            self.at = found.end()
            inner = self.alternatives({**flags, **(_flags(found) if found.re is _FLAGS else {})})
            self.at += 1
            return op.SUBPATTERN, (None, 0, 0, inner)
        if found := _EDGE.match(text, at):
            self.at = found.end()
            return op.AT, op.AT_NON_BOUNDARY if found[0] == r"\B" else op.AT_BOUNDARY
        if text[at] == "[":
            self.at = _end_of_class(text, at)
            return CLASS, engine_class(text[at : self.at], _prefix(flags))
        if found := _PROPERTY.match(text, at):
            self.at = found.end()
            return CLASS, engine_class(found[0], _prefix(flags))
        if flags.get("R") or flags.get("u") is False:
            raise UnsupportedPattern(f"{text!r} sets flags that are for bytes and for other ends of lines")
        if found := _POINT.match(text, at):
            self.at = found.end()
            return self.literal(chr(int(next(filter(None, found.groups())), 16)), flags)
        self.at += 2 if text[at] == "\\" else 1
        char = text[at : self.at]
        if char == ".":
            return CLASS, ANY if flags.get("s") else ANY - char_class("\n")
        if char in ("^", "$"):
            many = flags.get("m")
            return op.AT, op.AT_BOUNDARY if many else op.AT_BEGINNING if char == "^" else op.AT_END_STRING
        if char in (r"\A", r"\z"):
            return op.AT, op.AT_BEGINNING_STRING if char == r"\A" else op.AT_END_STRING
        if len(char) == 2:
            char = _NAMED.get(char[1], char[1])
        return self.literal(char, flags)

    def literal(self, char: str, flags: dict[str, bool]) -> tuple[Any, Any]:
        if flags.get("i"):
            return CLASS, _either_case(char)
        return op.LITERAL, ord(char)


def _flags(found: re.Match[str]) -> dict[str, bool]:
    return {**dict.fromkeys(found[1], True), **dict.fromkeys(found[2] or "", False)}


def _prefix(flags: dict[str, bool]) -> str:
    """The flags that matter to a class, as a pattern sets them."""
    on = "".join(sorted(flag for flag in "ix" if flags.get(flag)))
    off = "-u" if flags.get("u") is False else ""
    return f"(?{on}{off})" if on or off else ""


def _end_of_class(text: str, at: int) -> int:
    """The index behind a class in brackets, which may hold others."""
    depth = 0
    while True:
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "[":
            depth += 1
            at += text.startswith("^", at + 1)
            at += text.startswith("]", at + 1)  # the first is a member
        elif char == "]":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
