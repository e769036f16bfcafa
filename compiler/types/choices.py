"""Finite types: `Literal`, `Enum` and `Flag`.

A choice is bare at the root where every member is a string. A flag is a JSON array of member names, `["READ", "WRITE"]`,
since a combination has no name of its own. Its members come in declaration order, each at most once, so that every
combination has one text, and a text has a longest. Only members of a single bit are named; combinations that have a name
(`RW = READ | WRITE`) are written by their parts. pydantic reads numbers for flags, which no model gets right, so typefold
reads them itself. Bits without a name cannot be written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum, Flag
from functools import reduce
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from typing_extensions import is_typeddict

from typefold.compiler.codec import EXACT, LAX, Codec, JsonSchema
from typefold.compiler.context import Context
from typefold.compiler.grammar.nodes import Lit, choice
from typefold.compiler.guards import class_of
from typefold.compiler.registry import default_registry
from typefold.compiler.types.objects import class_description, generic_of, ordered_parts
from typefold.compiler.types.strings import is_text


@default_registry.hook(Literal)
def literal_codec(hint: Any, context: Context) -> Codec[Any]:
    """One of the members, each as JSON writes its value."""
    arguments: tuple[Any, ...] = get_args(hint)
    distinct: dict[tuple[Any, Any], None] = dict.fromkeys((class_of(member), member) for member in arguments)
    values = [member for _, member in distinct]
    has_enums = any(isinstance(value, Enum) for value in values)
    if not _pydantic_reads(values) and (lost := _lost_to_pydantic(hint, values, context)):
        raise context.refuse(
            hint,
            f"has the member {lost[0]!r}, which pydantic does not find beside smaller ones; use an Enum, or an int with bounds",
        )
    return _choice_codec(hint, values, context, native=not has_enums and _pydantic_reads(values), plain=not has_enums)


@default_registry.hook_factory(lambda hint: isinstance(hint, type) and issubclass(hint, Enum))
def enum_codec(hint: type[Enum], context: Context) -> Codec[Enum]:
    """One of the members, as JSON writes its value."""
    codec = _choice_codec(hint, list(hint), context, native=_pydantic_reads([each.value for each in hint]), plain=False)
    abouts = list(map(_description, hint))
    if any(abouts):
        codec.schema["x-descriptions"] = abouts
    return replace(codec, schema=context.named_choice(hint, codec.schema, class_description(hint)))


def _description(member: Enum) -> str | None:
    """A docstring of the member's own; else its name, where its value is no text and no part of the name."""
    about = vars(member).get("__doc__")
    if isinstance(about, str) or isinstance(member.value, str):
        return about if isinstance(about, str) else None
    return None if re.sub(r"\W", "", str(member.value)) in member.name else member.name


# A flag is an enumeration too; the newest predicate is asked first.
@default_registry.hook_factory(lambda hint: isinstance(hint, type) and issubclass(hint, Flag))
def flag_codec(hint: type[Flag], context: Context) -> Codec[Flag]:
    """The names of the members that are set."""
    context.allow(hint)
    names = [member.name for member in hint if member.name is not None]
    if not names:
        raise context.refuse(hint, "has no members, so there is nothing to choose")
    known = set(names)

    def to_json(value: Flag) -> list[str]:
        members: list[Any] = list(value)
        parts = [member.name for member in members]
        if value.value != reduce(_union, (member.value for member in members), 0) or not known.issuperset(parts):
            raise ValueError(f"{value!r} has bits without a name, which cannot be written")
        return [name for name in names if name in parts]

    parts = [(Lit(context.json_format.dump(name)), False) for name in names]
    return Codec(
        ordered_parts(hint.__name__, "[", parts, "]", context),
        {
            "type": "array",
            "items": {"enum": names, "type": "string"},
            "uniqueItems": True,
            "x-notes": ["in this order"],
        },
        to_json,
        lambda data: reduce(_union, [hint[name] for name in data], hint(0)),
        lambda value: type(value) is hint,
        native=False,
    )


def _choice_codec(hint: Any, members: Sequence[Any], context: Context, *, native: bool, plain: bool) -> Codec[Any]:
    if not members:
        raise context.refuse(hint, "has no members, so there is nothing to choose")
    values = [member.value if isinstance(member, Enum) else member for member in members]
    by_text, dump = dict[str, Any](), context.json_format.dump
    data = [_data(hint, member, value, context) for member, value in zip(members, values, strict=True)]
    for member, value in zip(members, data, strict=True):
        text = dump(value)
        if isinstance(value, str) and not is_text(value):
            raise context.refuse(hint, f"has the member {member!r}, which is no valid text")
        if text in by_text:
            raise context.refuse(
                hint, f"has two members, {by_text[text]!r} and {member!r}, that are both written {text}"
            )
        by_text[text] = member
    to_value = list(zip(members, values, data, strict=True))
    all_strings = all(isinstance(value, str) for value in values)
    all_plain = not any(isinstance(member, Enum) for member in members)
    has_others = not all(isinstance(value, (str, int, float, type(None))) for value in values)
    schema: JsonSchema = {"enum": [str(v) if isinstance(v, str) else v for v in data]}
    if all_strings:
        schema["type"] = "string"

    def to_json(member: Any) -> Any:
        for known, _, written in to_value:
            if known is member or (type(known) is type(member) and known == member):
                return written
        for known, value, written in to_value:  # a model with use_enum_values holds the value in place of the member
            if isinstance(known, Enum) and type(value) is type(member) and value == member:
                return written
        raise ValueError(f"{member!r} is no member of {hint!r}")

    def accepts(value: Any) -> bool:
        try:
            to_json(value)
        except ValueError:
            return False
        return True

    return Codec(
        choice(*by_text),
        schema,
        to_json,
        lambda data: by_text[dump(data)],
        accepts,
        bare=choice(*(Lit(str(value)) for value in values)) if all_strings else None,
        native=native and (not has_others or _pydantic_finds(hint, by_text)),
        plain=plain,
        fit=lambda data: EXACT if all_plain else LAX,
    )


def _data(hint: Any, member: Any, value: Any, context: Context) -> Any:
    """The JSON data that pydantic writes for a member's value."""
    if isinstance(value, (str, int)) or value is None:
        return value
    try:
        data = to_jsonable_python(value)
        context.json_format.dump(data, finite=True)
    except ValueError:
        data = None
    if data is None or not isinstance(member, (Enum, float)):
        raise context.refuse(hint, f"has the member {member!r}, which JSON cannot write; use str, int, bool or None")
    return data


def _pydantic_finds(hint: Any, by_text: Mapping[str, Any]) -> bool:
    """Whether pydantic reads each text as its member: it knows no tuple or date by what it writes for one."""
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    try:
        return all(adapter.validate_json(text) is member for text, member in by_text.items())
    except ValidationError:
        return False


def _pydantic_reads(values: Sequence[Any]) -> bool:
    """Whether pydantic finds the values in JSON: in a choice it knows no whole number beyond 64 bits."""
    return not any(type(value) is int and not -(2**63) <= value < 2**63 for value in values)


def _lost_to_pydantic(hint: Any, values: Sequence[Any], context: Context) -> list[Any]:
    """The members that pydantic refuses even as values, where it will see them: in a class of its own, or under limits."""
    owners = reversed(context.compilation.owners)
    around = next((each for each in owners if not is_typeddict(each) and not issubclass(generic_of(each), tuple)), None)
    if not context.limits and not hasattr(around, "__pydantic_validator__"):
        return []
    adapter: TypeAdapter[Any] = TypeAdapter(hint)
    return [value for value in values if not _accepts(adapter, value)]


def _accepts(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def _union(one: Any, other: Any) -> Any:
    return one | other
