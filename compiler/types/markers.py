r"""Types of typefold's own for text: `Matching`, by a regular expression, and `OneOf`, by a list made at run time.

Both are annotations of `str`, so a value is a plain `str`, for type checkers too, and bare at the root:

    Plate = Annotated[str, Matching(r"[A-Z]{3}-\d{4}")]
    City = Annotated[str, OneOf(names)]

`Matching[r"..."]` is the same at run time, but no type checker reads a bare string there as anything but a type's name.
pydantic knows both, so that a model's own constructor checks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import GroupedMetadata
from pydantic import GetCoreSchemaHandler, StringConstraints
from pydantic_core import core_schema

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.context import Context
from typefold.compiler.grammar.json_strings import ANY_TEXT, json_string
from typefold.compiler.grammar.nodes import Lit, choice

__all__ = ["Grammar", "Matching", "OneOf"]

_LONGEST_GRAMMAR = 1_000_000
_LONGEST_LIST = 100
"""A longer list of names is not repeated to the model in the shape of a JSON answer; it is enforced all the same."""


@dataclass(frozen=True)
class Matching(GroupedMetadata):
    r"""Text that a regular expression matches as a whole, for use in `Annotated`.

    Args:
        regex: The expression, in the common part of Python's syntax and of pydantic's.

    Example:
        >>> from typing import Annotated
        >>> from typefold.compiler import output_type
        >>> from typefold.compiler.types.markers import Matching
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
    """Text out of a list that is made at run time, for use in `Annotated`; thousands of names are no matter.

    Args:
        names: The texts; doubles count once.

    Example:
        >>> from typing import Annotated
        >>> from typefold.compiler import output_type
        >>> from typefold.compiler.types.markers import OneOf
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
    """Text by a grammar of your own, for use in `Annotated` as a whole return type; the value is the text.

    The grammar is sent to the engine as it stands, in the dialect of its backend: EBNF with `::=` for xgrammar, Lark for
    guidance. Only the engine can read it, so a bad one fails as `Refused` in its row. Its length is limited (a million
    characters) and nothing else: a short one that the backend chokes on holds up the whole batch.

    Args:
        text: The grammar; its first rule is `root` (EBNF) or `start` (Lark).

    Example:
        >>> from typing import Annotated
        >>> from typefold.compiler import output_type
        >>> from typefold.compiler.types.markers import Grammar
        >>> output_type(Annotated[str, Grammar('root ::= "yes" | "no"')]).decode("yes")
        'yes'
    """

    text: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return handler(source)  # to pydantic it is any text


def grammar_codec(hint: type[str], grammar: Grammar, context: Context) -> Codec[str]:
    """Whatever the engine's backend makes of the grammar."""
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
    context.check("the engine alone reads the grammar")
    return Codec(
        json_string(ANY_TEXT),
        {"type": "string"},
        str,
        str,
        lambda value: type(value) is str,
        bare=ANY_TEXT,
        raw=grammar.text,
    )


def one_of_codec(hint: type[str], names: tuple[str, ...], context: Context) -> Codec[str]:
    """One of the names; other limits at the same place are checked after."""
    known = frozenset(names)
    if not names:
        raise context.refuse(hint, "has an empty OneOf, so there is nothing to choose")
    for name in names:
        if not _is_text(name):
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


def _is_text(name: object) -> bool:
    return isinstance(name, str) and not any("\ud800" <= char <= "\udfff" for char in name)
