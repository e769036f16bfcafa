r"""Text: plain, of bounded length, of a pattern, out of a list, or by a grammar. At the root it is bare, inside JSON a string.

Three annotations of `str` are typefold's own, so a value is a plain `str`, for type checkers too:

    Plate = Annotated[str, Matching(r"[A-Z]{3}-\d{4}")]
    City = Annotated[str, OneOf(names)]
    Answer = Annotated[str, Grammar(text)]

`Matching[r"..."]` is the same at run time, but a type checker takes a bare string there for the name of a type.
pydantic knows all three, so that a model's own constructor checks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import GroupedMetadata
from pydantic import EncodedStr, GetCoreSchemaHandler, StringConstraints
from pydantic_core import core_schema

from typefold.compiler.codec import Codec, JsonSchema, identity, schema_of
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import ANY_TEXT, json_string
from typefold.compiler.grammar.nodes import ANY, EMPTY, NEVER, Expr, Lit, Repeat, char_class, choice, repeat, seq
from typefold.compiler.grammar.regex import char_bounds, of_length, pattern_language, white_space
from typefold.compiler.grammar.rust_regex import UnsupportedPattern, matches
from typefold.compiler.limits import LENGTHS
from typefold.compiler.registry import default_registry
from typefold.compiler.types.binary import encoded_str_codec

LONGEST_EXACT = 256
"""A longer `max_length` is a post-check, and the token limit ends the text: as a grammar it would be slow to compile."""

_LONGEST_GRAMMAR = 1_000_000
_LONGEST_LIST = 100
"""A longer list of names is not repeated to the model in the shape of a JSON answer; it is enforced all the same."""

_ASCII = char_class((0x00, 0x7F))


@dataclass(frozen=True)
class Matching(GroupedMetadata):
    r"""Text that a regular expression matches as a whole, for use in `Annotated`.

    Args:
        regex: The expression, in the common part of Python's syntax and of pydantic's.

    Example:
        >>> from typing import Annotated
        >>> from typefold.compiler import output_type
        >>> from typefold.compiler.types.strings import Matching
        >>> output_type(Annotated[str, Matching("[A-Z]{3}-[0-9]{4}")]).decode("ABC-1234")
        'ABC-1234'
    """

    regex: str

    def __iter__(self) -> Iterator[object]:
        yield StringConstraints(pattern=f"^(?:{self.regex})$")

    if not TYPE_CHECKING:

        def __class_getitem__(cls, regex: str) -> Any:
            return Annotated[str, cls(regex)]


class OneOf:
    """Text out of a list that is made at run time, for use in `Annotated`. A list may have thousands of names.

    Args:
        names: The texts; duplicates count once.

    Raises:
        TypeError: `names` is a single text.

    Example:
        >>> from typing import Annotated
        >>> from typefold.compiler import output_type
        >>> from typefold.compiler.types.strings import OneOf
        >>> output_type(Annotated[str, OneOf(["Oslo", "Rome"])]).constraint.spec
        ('Oslo', 'Rome')
    """

    def __init__(self, names: Iterable[str]) -> None:
        if isinstance(names, str):
            raise TypeError(f"OneOf({names!r}) would mean its letters; write OneOf([{names!r}])")
        self.one_of = tuple(dict.fromkeys(names))
        self._set = frozenset(self.one_of)
        self._hash = hash(self.one_of)

    def __eq__(self, other: object) -> bool:
        return self.one_of == other.one_of if isinstance(other, OneOf) else NotImplemented

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.one_of[:3]))
        return f"OneOf([{shown}{', ...' if len(self.one_of) > 3 else ''}])"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: str) -> str:
        if value not in self._set:
            raise ValueError(f"{value!r} is none of the {len(self.one_of)} names")
        return value


@dataclass(frozen=True)
class Grammar:
    """Text by your own grammar, for use in `Annotated` as a whole return type; the value is the text.

    The grammar is sent to the engine unchanged, in the dialect of its backend: EBNF with `::=` for xgrammar, Lark for
    guidance. Only the engine can read it, so a bad one fails as `Refused` in its row. Its length alone is limited, to a
    million characters: a short grammar that is hard for the backend holds up the whole batch.

    Args:
        text: The grammar; its first rule is `root` (EBNF) or `start` (Lark).

    Example:
        >>> from typing import Annotated
        >>> from typefold.compiler import output_type
        >>> from typefold.compiler.types.strings import Grammar
        >>> output_type(Annotated[str, Grammar('root ::= "yes" | "no"')]).decode("yes")
        'yes'
    """

    text: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return handler(source)  # to pydantic it is any text


@default_registry.hook(str)
def str_codec(hint: type[str], context: Context) -> Codec[str]:
    """Any characters; length and pattern are in the grammar, both together where that stays small."""
    context.allow(hint, *LENGTHS, "pattern", "strip_whitespace", "to_lower", "to_upper", "ascii_only", "one_of")
    limits = context.limits
    if marks := limits.claim(EncodedStr):
        return encoded_str_codec(hint, marks[-1], context)
    if grammars := limits.claim(Grammar):
        return _grammar_codec(hint, grammars[-1], context)
    context.imply_config()
    if (names := limits.take("one_of")) is not None:
        return _one_of_codec(hint, names, context)
    patterns = limits.all("pattern")
    shortest, longest = limits.peek("min_length"), limits.peek("max_length")
    least, most = context.lengths(hint, LONGEST_EXACT, "text")
    text: Expr = ANY_TEXT
    if patterns:
        limits.leave(*LENGTHS)
        text = text_of_length(_pattern(hint, patterns, context), context)
        if text == NEVER:
            raise context.refuse(hint, f"has a pattern that no text of {_describe(shortest, longest)} meets")
    elif shortest is not None or longest is not None or (limits.peek("strip_whitespace") and not context.is_root):
        text = EMPTY if most == 0 else Repeat(ANY, least, most)
        if limits.peek("strip_whitespace"):
            limits.take("strip_whitespace")
            text = _trimmed(text)
    if limits.peek("ascii_only") and text == ANY_TEXT:
        limits.take("ascii_only")
        text = Repeat(_ASCII, 0, None)
    pattern = getattr(patterns[-1], "pattern", patterns[-1]) if patterns else None
    schema = schema_of("string", pattern=pattern, minLength=shortest, maxLength=longest)
    return Codec(json_string(text), schema, identity, identity, lambda value: type(value) is str, bare=text, plain=True)


@default_registry.hook_factory(lambda hint: isinstance(hint, re.Pattern))
def compiled_pattern_codec(hint: re.Pattern[Any], context: Context) -> Codec[str]:
    """Text that the compiled pattern matches as a whole."""
    context.allow(hint)
    if not isinstance(hint.pattern, str):
        raise context.refuse(hint, "matches bytes; compile a text")
    inside = re.sub(r"^(\(\?[aimsux]+\))+", "", hint.pattern)  # flags in front are among the pattern's own
    whole = re.compile(rf"^(?:{inside})\Z", hint.flags)
    inner = context.codec(Annotated[str, StringConstraints(pattern=whole)])

    def from_json(data: Any) -> str:
        value: str = inner.from_json(data)
        if hint.fullmatch(value) is None:
            raise ValueError(f"{value!r:.80} does not match the pattern {hint.pattern!r}")
        return value

    return replace(inner, from_json=from_json, native=False, plain=False)


def _pattern(hint: Any, patterns: list[str | re.Pattern[str]], context: Context) -> Expr:
    """The first pattern's language. Further patterns are post-checks, and so is a first one that is not regular."""
    first = patterns[0]
    text = first if isinstance(first, str) else first.pattern
    python = context.has_python_patterns or not isinstance(first, str)
    try:
        if not isinstance(first, str) and first.flags & ~re.UNICODE:
            return ANY_TEXT
        expr = pattern_language(text, python=python)
    except UnsupportedPattern:
        try:
            re.compile(text) if python else matches(text)
        except (re.error, UnsupportedPattern) as error:
            raise context.refuse(hint, f"has a pattern that cannot be enforced: {error}") from error
        try:
            return pattern_language(text, python=python, relaxed=True)
        except UnsupportedPattern:
            return ANY_TEXT
    if len(patterns) == 1:
        context.limits.take("pattern")
    return expr


def text_of_length(text: Expr, context: Context) -> Expr:
    """A pattern's texts of the lengths that the limits allow, where that stays small; else the lengths are post-checks."""
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


def _describe(least: int | None, most: int | None) -> str:
    if least is None or most is None:
        return f"at most {most} characters" if least is None else f"at least {least} characters"
    return f"{least} to {most} characters"


def _trimmed(text: Expr) -> Expr:
    """The texts of these lengths without a space at either end: pydantic leaves them as they are, so no length changes."""
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


def _grammar_codec(hint: type[str], grammar: Grammar, context: Context) -> Codec[str]:
    """Any text; the engine's backend alone reads the grammar."""
    if not context.is_root:
        raise context.refuse(hint, "has a Grammar, which is for a whole return type and not for a part of one")
    if not grammar.text.strip():
        raise context.refuse(hint, "has an empty Grammar")
    if len(grammar.text) > _LONGEST_GRAMMAR:
        raise context.refuse(
            type(grammar),
            f"has a Grammar of {len(grammar.text):,} characters; a backend may take minutes and gigabytes for one of more "
            f"than {_LONGEST_GRAMMAR:,}, in which no other row goes on",
        )
    context.check("the engine alone reads the grammar", told="")
    return Codec(
        json_string(ANY_TEXT),
        {"type": "string"},
        str,
        str,
        lambda value: type(value) is str,
        bare=ANY_TEXT,
        raw=grammar.text,
    )


def _one_of_codec(hint: type[str], names: tuple[str, ...], context: Context) -> Codec[str]:
    """One of the names; other limits at the same place are post-checks."""
    known = frozenset(names)
    if not names:
        raise context.refuse(hint, "has an empty OneOf, so there is nothing to choose")
    for name in names:
        if not is_text(name):
            raise context.refuse(hint, f"has a OneOf with {name!r}, which is no text")
    bare = choice(*map(Lit, names))
    schema: JsonSchema = {"type": "string"}
    if len(names) <= _LONGEST_LIST:
        schema["enum"] = list(names)
    else:
        schema["format"] = f"one of {len(names)} names"

    def to_json(value: str) -> str:
        if value not in known:
            raise ValueError(f"{value!r} is none of the {len(names)} names")
        return value

    return Codec(json_string(bare), schema, to_json, str, lambda value: value in known, bare=bare, plain=True)


def is_text(value: object) -> bool:
    """Whether a value is text that UTF-8 can write."""
    return isinstance(value, str) and not any("\ud800" <= char <= "\udfff" for char in value)
