"""Unions: each member keeps its own texts, and a value is written by the member that accepts it.

Two members may share a text only where its value is the same for both. Anything else is refused, with a text that shows
it: the value would come back as another. The text decides which member reads it; pydantic, which tries them all and
takes the best fit, reads a union only where that must be the same member. In the compact wire objects are arrays, which
may be alike: where several members are, or may be, arrays, the objects among them are put under names of their own.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import combinations
from types import UnionType
from typing import Any, Union, get_args

from pydantic import BaseModel

from typefold.compiler.context import Context
from typefold.compiler.errors import describe
from typefold.compiler.guards import is_dict, is_list, kind_of
from typefold.compiler.hooks.positional import tagged, tags_of
from typefold.compiler.json_text import write
from typefold.compiler.overlap import Undecided, shared_text
from typefold.compiler.recognise import Matcher, recognises
from typefold.compiler.registry import default_registry
from typefold.compiler.type_wire import JsonSchema, Wire
from typefold.compiler.wire import Language, choice

_MOST_MEMBERS = 300  # each is compared with each
_SCALARS = frozenset({"null", "boolean", "integer", "number", "string"})
_KINDS = _SCALARS | {"array", "object"}


@default_registry.hook(Union, UnionType)
def union_wire(hint: Any, context: Context) -> Wire[Any]:
    """Any of the members."""
    members, state = get_args(hint), context.compilation
    if len(members) > _MOST_MEMBERS:
        raise context.refuse(
            type(hint),
            f"has {len(members):,} members, and more than {_MOST_MEMBERS} can't be told apart in reasonable time; "
            "make one model of those that are alike, with a Literal for what they differ in",
        )
    for member in members:
        if context.limits.names() and isinstance(member, type) and issubclass(member, BaseModel):
            limit, name = context.limits.names()[0], describe(member)
            raise context.refuse(
                hint, f"has the limit {limit}, which no {name} meets; put it on the types that it is for"
            )
    # A limit on a union holds for the value, whichever member wrote it: pydantic checks it. Beside None it is the member's.
    optional = len(members) == 2 and type(None) in members and context.limits.names() and not context.limits.changing
    wires = [
        context.same(member)
        if optional and member is not type(None)
        else context.wire(member, at=f"|{describe(member)}")
        for member in members
    ]
    if context.positional:
        _put_under_names(members, wires, context)
    judgement = f"{context.path}: {describe(hint)}"
    native = all(wire.native for wire in wires) and judgement not in state.foreign and _same_to_pydantic(wires, context)

    positional = context.positional

    @cache
    def language(index: int) -> Language:
        return Language(wires[index].expr, state.rules)  # all of which are known once there is an answer

    def finish() -> None:
        for one, other in combinations(range(len(wires)), 2):
            if not (wires[one].plain and wires[other].plain):
                _tell_apart(hint, members, wires, (one, other), context, positional=positional)
        if native and not _same_to_pydantic(wires, context):
            state.misjudged.add(judgement)

    state.later.append(finish)

    def owner(value: Any) -> Wire[Any]:
        for wire in wires:
            if wire.accepts(value):
                return wire
        raise ValueError(f"{value!r} is of no member of {describe(hint)}")

    def from_json(data: Any) -> Any:
        text = context.spacing.dump(data)
        problem = ValueError(f"{json.dumps(data)} is of no member of {describe(hint)}")
        for index, wire in enumerate(wires):
            if recognises(language(index), text):
                try:
                    return wire.from_json(data)
                except ValueError as error:  # a post-check of this member; another that shares the text may take it
                    problem = error
        raise problem

    def expand(data: Any) -> Any:
        if not (is_list(data) or is_dict(data)):
            return data
        text = write(data, context.spacing)
        found = _writer([language(index) for index in range(len(wires))], text)
        return data if found is None else wires[found].expanded(data)

    return Wire(
        choice(*(wire.expr for wire in wires)),
        {"anyOf": [wire.schema for wire in wires]},
        lambda value: owner(value).to_json(value),
        from_json,
        lambda value: any(wire.accepts(value) for wire in wires),
        native=native,
        plain=all(wire.plain for wire in wires),
        expand=expand if any(wire.expand is not None for wire in wires) else None,
    )


def _put_under_names(members: tuple[Any, ...], wires: list[Wire[Any]], context: Context) -> None:
    """Where several members may be arrays, tell those that stand for objects apart by construction."""
    state = context.compilation
    arrays = [_kinds_written(wire.schema, state.definitions, state.with_fields) for wire in wires]
    if sum("array" in kinds for kinds in arrays) < 2:
        return
    objects = [index for index, wire in enumerate(wires) if _stands_for_object(wire.schema, context)]
    for index, tag in zip(objects, tags_of([members[index] for index in objects]) if objects else (), strict=True):
        wires[index] = tagged(wires[index], tag, context)


def _stands_for_object(schema: JsonSchema, context: Context) -> bool:
    """Whether it is an array of fields, or will be."""
    state = context.compilation
    found = _resolved(schema, state.definitions)
    if found is None:
        return schema["$ref"].removeprefix("#/$defs/") in state.with_fields
    return "x-positions" in found


def _writer(languages: list[Language], text: str) -> int | None:
    """Which member's text it is or, where there is only a beginning of one, which is the first whose it may be."""
    for index, language in enumerate(languages):
        if recognises(language, text):
            return index
    begun = text.rstrip('"]}')
    return next((i for i, language in enumerate(languages) if not Matcher.start(language).advance(begun).dead), None)


def _tell_apart(
    hint: Any,
    members: tuple[Any, ...],
    wires: list[Wire[Any]],
    pair: tuple[int, int],
    context: Context,
    *,
    positional: bool,
) -> None:
    one, other = pair
    names = f"{describe(members[one])} and {describe(members[other])}"
    remedy = "keep one of them, or give each a field with a Literal of its own (a tag)"
    if not all(_is_object(wire.schema, context) for wire in (wires[one], wires[other])):
        remedy = "keep one of them, or put each in a model with a Literal of its own (a tag)"
    definitions = context.compilation.definitions
    if _differ(wires[one].schema, wires[other].schema, definitions, positional=positional):
        return
    try:
        text = shared_text(wires[one].expr, wires[other].expr, context.compilation.rules)
    except Undecided:
        raise context.refuse(hint, f"has members that may share a text, {names}; {remedy}") from None
    if text is not None:
        raise context.refuse(hint, f"has two members that can both be written as {text}: {names}; {remedy}")


def _differ(
    one: JsonSchema, other: JsonSchema, definitions: dict[str, JsonSchema], depth: int = 8, *, positional: bool
) -> bool:
    """Whether two schemas say already that no text is shared: by the kind, by the choices, or by a key of an object.

    The search through texts would find the same, but goes from left to right: a tag behind a field that may hold
    anything lies beyond its limit.
    """
    if "x-tag" in one and "x-tag" in other:
        return bool(one["x-tag"] != other["x-tag"])
    first, second = _resolved(one, definitions), _resolved(other, definitions)
    if first is None or second is None or not depth:
        return False
    if positional:
        first, second = _as_written(one, first), _as_written(other, second)
    for schema, rest in ((first, second), (second, first)):
        if "anyOf" in schema:
            return all(
                _differ(option, rest, definitions, depth - 1, positional=positional) for option in schema["anyOf"]
            )
    kinds, other_kinds = (_kinds(schema, definitions) for schema in (first, second))
    if not kinds & other_kinds and not kinds | other_kinds >= {"integer", "number"}:  # a Decimal may look like an int
        return True
    if "enum" in first and "enum" in second:
        return {json.dumps(value) for value in first["enum"]}.isdisjoint(map(json.dumps, second["enum"]))
    if not (_is_closed(first) and _is_closed(second)):
        return False
    return any(
        key not in there["properties"]
        or _differ(here["properties"][key], there["properties"][key], definitions, depth - 1, positional=positional)
        for here, there in ((first, second), (second, first))
        for key in here["required"]
        if key not in there["properties"] or key in there["required"]
    )


def _as_written(schema: JsonSchema, resolved: JsonSchema) -> JsonSchema:
    """What the compact wire writes: what a schema says of keys is of the form that pydantic reads."""
    if "x-tag" in schema:
        return {"type": "object"}
    return {"type": "array"} if "x-positions" in resolved else resolved


def _is_closed(schema: JsonSchema) -> bool:
    """Whether it is an object with these keys and no others."""
    return "properties" in schema and schema.get("additionalProperties") is False


def _is_object(schema: JsonSchema, context: Context) -> bool:
    definitions = context.compilation.definitions
    found = _resolved(schema, definitions)
    return found is not None and "properties" in found


def _same_to_pydantic(wires: list[Wire[Any]], context: Context) -> bool:
    """Whether pydantic must take the member whose text it is, of each two members, as far as is known by now."""
    definitions = context.compilation.definitions
    return all(_pair_is_same(one, other, definitions) for one, other in combinations(wires, 2))


def _pair_is_same(one: Wire[Any], other: Wire[Any], definitions: dict[str, JsonSchema]) -> bool:
    """Pydantic reads an Enum or a Literal of 1 from `1.0` and from `true`, and an object of which it ignores keys."""
    first, second = _resolved(one.schema, definitions), _resolved(other.schema, definitions)
    if first is None or second is None:
        return True  # a type inside itself: asked again when it is known
    kinds, other_kinds = _kinds(first, definitions), _kinds(second, definitions)
    shared = kinds & other_kinds
    if frozenset({"null"}) in (kinds, other_kinds):
        return not shared
    if _is_exact(one, first) and _is_exact(other, second) and kinds | other_kinds <= _SCALARS:
        return True
    if kinds == other_kinds == frozenset({"object"}):
        return _have_tags(first, second)
    return (
        not shared
        and (kinds <= _SCALARS) != (other_kinds <= _SCALARS)
        and not {"array", "object"} <= kinds | other_kinds
    )


def _resolved(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> JsonSchema | None:
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name not in definitions:
            return None
        schema = definitions[name]
    return schema


def _kinds_written(schema: JsonSchema, definitions: dict[str, JsonSchema], with_fields: set[str]) -> frozenset[str]:
    """The kinds of JSON values that the compact wire writes for a schema."""
    if "x-tag" in schema:
        return frozenset({"object"})
    found = _resolved(schema, definitions)
    if found is None:
        return frozenset({"array"}) if schema["$ref"].removeprefix("#/$defs/") in with_fields else _KINDS
    if "x-positions" in found:
        return frozenset({"array"})
    if "anyOf" in found:
        return frozenset[str]().union(*(_kinds_written(each, definitions, with_fields) for each in found["anyOf"]))
    return _kinds(found, definitions)


def _kinds(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> frozenset[str]:
    """The kinds of JSON values that a schema speaks of."""
    if "enum" in schema:
        return frozenset[str]().union(*(_kind(value) for value in schema["enum"]))
    if "anyOf" in schema:
        options = [_resolved(option, definitions) for option in schema["anyOf"]]
        return frozenset[str]().union(
            *(_KINDS if option is None else _kinds(option, definitions) for option in options)
        )
    return frozenset({schema["type"]}) if "type" in schema else _KINDS


def _kind(value: Any) -> frozenset[str]:
    names: dict[type, str] = {bool: "boolean", int: "integer", float: "number", type(None): "null"}
    kind = kind_of(value)
    return frozenset({names.get(kind, "string")})


def _is_exact(wire: Wire[Any], schema: JsonSchema) -> bool:
    """Whether the values are scalars that pydantic prefers to all that it would have to convert."""
    return wire.plain and ("enum" not in schema or schema.get("type") == "string")


def _have_tags(one: JsonSchema, other: JsonSchema) -> bool:
    """Whether a key is required in both objects, with values of which none is the other's."""
    return any(
        key in other.get("required", ())
        and "enum" in one["properties"][key]
        and "enum" in other["properties"][key]
        and all(isinstance(value, str) for each in (one, other) for value in each["properties"][key]["enum"])
        and not set(one["properties"][key]["enum"]) & set(other["properties"][key]["enum"])
        for key in one.get("required", ())
    )
