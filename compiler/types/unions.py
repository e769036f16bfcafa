"""Unions: each member keeps its own texts, and a value is written by the member that accepts it.

Two members may share a text only where its value is the same for both. Any other union is refused, with a shared text as
the proof: its value could come back as another. The text decides which member reads it. pydantic tries all members and
takes the best fit, so it reads a union only where that is the same member for certain. In the compact format objects are
arrays, which may look alike: where several members may be arrays, the objects among them are put under names of their own.
"""

# pyright: reportUnknownLambdaType=false
# (dataclasses.replace tells the lambdas that it is given no types)
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.context import Compilation, Context
from typefold.compiler.errors import describe
from typefold.compiler.grammar.matcher import Matcher, Undecided, recognises, shared_text
from typefold.compiler.grammar.nodes import Language, choice, seq
from typefold.compiler.guards import class_of, is_dict, is_list, split_annotated
from typefold.compiler.json_format import write_exact
from typefold.compiler.limits import SKIPPED
from typefold.compiler.registry import default_registry
from typefold.compiler.types.objects import generic_of

_MOST_MEMBERS = 300  # each is compared with each
_SCALARS = frozenset({"null", "boolean", "integer", "number", "string"})
_KINDS = _SCALARS | {"array", "object"}
_JSON_KINDS: dict[type, str] = {bool: "boolean", int: "integer", float: "number", type(None): "null"}


@default_registry.hook(Union, UnionType)
def union_codec(hint: Any, context: Context) -> Codec[Any]:
    """Any of the members."""
    members, state = _offered(hint, context), context.compilation
    if len(members) > _MOST_MEMBERS:
        raise context.refuse(
            type(hint),
            f"has {len(members):,} members, and more than {_MOST_MEMBERS} can't be told apart in reasonable time; "
            "make one model of those that are alike, with a Literal for the difference",
        )
    for member in members:
        if context.limits.names() and isinstance(member, type) and issubclass(member, BaseModel):
            limit, name = context.limits.names()[0], describe(member)
            raise context.refuse(
                hint, f"has the limit {limit}, which no {name} meets; put it on the types that it is for"
            )
    # pydantic checks a limit on a union for the value of any member. Beside None it is the other member's limit.
    optional = len(members) == 2 and type(None) in members and context.limits.names() and not context.limits.changing
    codecs = [
        context.same(member)
        if optional and member is not type(None)
        else context.codec(member, at=f"|{describe(member)}")
        for member in members
    ]
    if context.positional:
        _put_under_names(members, codecs, context)
    judgement = f"{context.path}: {describe(hint)}"
    native = (
        all(codec.native for codec in codecs)
        and judgement not in state.not_native
        and _same_to_pydantic(codecs, state.definitions)
    )

    positional = context.positional  # at the end it may be another: see `Context.keys`

    @cache
    def language(index: int) -> Language:
        return Language(codecs[index].expr, state.rules)  # all of which are known once there is an answer

    def finish() -> None:
        for (one, codec), (other, second) in combinations(zip(members, codecs, strict=True), 2):
            if not (codec.plain and second.plain):
                names = f"{describe(one)} and {describe(other)}"
                _tell_apart(hint, names, codec, second, context, positional)
        if native and not _same_to_pydantic(codecs, state.definitions):
            state.misjudged.add(judgement)

    state.later.append(finish)

    def owner(value: Any) -> Codec[Any]:
        for codec in codecs:
            if codec.accepts(value):
                return codec
        raise ValueError(f"{value!r} belongs to no member of {describe(hint)}")

    def from_json(data: Any) -> Any:
        text = context.json_format.dump(data)
        problem = ValueError(f"{json.dumps(data)} belongs to no member of {describe(hint)}")
        for index, codec in enumerate(codecs):
            if recognises(language(index), text):
                try:
                    return codec.from_json(data)
                except ValueError as error:  # a post-check of this member; another that shares the text may take it
                    problem = error
        raise problem

    def expand(data: Any) -> Any:
        if not (is_list(data) or is_dict(data)):
            return data
        text = write_exact(data, context.json_format)
        writers = _writers([language(index) for index in range(len(codecs))], text)
        return _common([codecs[index].expanded(data) for index in writers]) if writers else data

    return Codec(
        choice(*(codec.expr for codec in codecs)),
        {"anyOf": [codec.schema for codec in codecs]},
        lambda value: owner(value).to_json(value),
        from_json,
        lambda value: any(codec.accepts(value) for codec in codecs),
        native=native,
        plain=all(codec.plain for codec in codecs),
        expand=expand if any(codec.expand is not None for codec in codecs) else None,
    )


def _offered(hint: Any, context: Context) -> tuple[Any, ...]:
    """The members that an answer can be: those that `SkipJsonSchema` does not keep from the model."""
    members = get_args(hint)
    offered = tuple(each for each in members if not any(isinstance(mark, SKIPPED) for mark in split_annotated(each)[1]))
    if not offered:
        raise context.refuse(hint, "has no member that SkipJsonSchema does not keep from the model; leave the mark out")
    return offered


def _put_under_names(members: tuple[Any, ...], codecs: list[Codec[Any]], context: Context) -> None:
    """Put members under names where several may be arrays, so that their texts differ by construction.

    Names are given to members that stand for objects; to several arrays that hold objects, such as `tuple[A] | tuple[B]`,
    which differ by no key any more; and then to dictionaries, since such a name may be one of their keys.
    """
    state = context.compilation
    arrays = [_kinds_written(codec.schema, state) for codec in codecs]
    if sum("array" in kinds for kinds in arrays) < 2:
        return
    objects = [index for index, codec in enumerate(codecs) if _stands_for_object(codec.schema, state)]
    hold = [
        i for i, codec in enumerate(codecs) if "array" in arrays[i] and codec.expand is not None and i not in objects
    ]
    named = objects + hold if len(hold) > 1 else objects
    if named:
        named = sorted(named + [i for i, codec in enumerate(codecs) if _has_free_keys(codec.schema, state.definitions)])
    for index, tag in zip(named, _tags_of([members[index] for index in named]) if named else (), strict=True):
        codecs[index] = tagged(codecs[index], tag, context)


def tagged(codec: Codec[Any], tag: str, context: Context) -> Codec[Any]:
    """Put a member of a union under its name, as an object of this one key."""
    key = context.json_format.dump(tag) + context.json_format.colon

    def inside(data: Any) -> Any:
        return next(iter(data.values())) if data else []  # an object that has just begun is empty

    return replace(
        codec,
        expr=seq("{", key, codec.expr, "}"),
        schema=codec.schema | {"x-tag": tag},
        to_json=lambda value: {tag: codec.to_json(value)},
        from_json=lambda data: codec.from_json(inside(data)),
        expand=lambda data: codec.expanded(inside(data)),
        plain=False,
    )


def _tags_of(hints: Sequence[Any]) -> list[str]:
    """A short name for each: the `Literal` that tells them apart, where all have one; else the class's name."""
    classes = [generic_of(split_annotated(hint)[0]) for hint in hints]
    literals = [_literals(cls) for cls in classes]
    for name in literals[0]:
        found = [each.get(name) for each in literals]
        if None not in found and len(set(found)) == len(found):
            return [str(tag) for tag in found]
    names = [str(getattr(cls, "__name__", cls)) for cls in classes]
    return [name if names.count(name) == 1 else f"{name} {index + 1}" for index, name in enumerate(names)]


def _literals(cls: Any) -> Mapping[str, str]:
    """The fields of a class that can only be one text, and that text."""
    config = getattr(cls, "__struct_config__", None)
    if config is not None and isinstance(config.tag, str):
        return {config.tag_field: config.tag}
    try:
        hints = get_type_hints(cls)
    except (NameError, TypeError):
        return {}
    literals = {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
    return {name: members[0] for name, members in literals.items() if len(members) == 1 and isinstance(members[0], str)}


def _writers(languages: list[Language], text: str) -> list[int]:
    """The member that a text belongs to or, for the beginning of a text, each member that it may belong to."""
    for index, language in enumerate(languages):
        if recognises(language, text):
            return [index]
    begun = text.rstrip('"]}')
    return [i for i, language in enumerate(languages) if not Matcher.start(language).advance(begun).dead]


def _common(values: list[Any]) -> Any:
    """The part that all readings of a beginning share: a streamed answer must only grow."""
    if all(value == values[0] for value in values):
        return values[0]
    if all(map(is_dict, values)):
        return {}
    return [] if all(map(is_list, values)) else None


def _tell_apart(hint: Any, names: str, one: Codec[Any], other: Codec[Any], context: Context, positional: bool) -> None:
    definitions = context.compilation.definitions
    remedy = "keep one of them, or give each a field with a Literal of its own (a tag)"
    if not all(_is_object(codec.schema, definitions) for codec in (one, other)):
        remedy = "keep one of them, or put each in a model with a Literal of its own (a tag)"
    if _differ(one.schema, other.schema, definitions, positional=positional):
        return
    try:
        text = shared_text(one.expr, other.expr, context.compilation.rules)
    except Undecided:
        raise context.refuse(hint, f"has members that may share a text, {names}; {remedy}") from None
    if text is not None:
        raise context.refuse(hint, f"has two members that can both be written as {text}: {names}; {remedy}")


# --- questions that the members' JSON schemas answer, which are small where texts are without end ---
# A type that is still being compiled has no schema yet: `union_codec` asks again when all are known.


def _differ(
    one: JsonSchema, other: JsonSchema, definitions: dict[str, JsonSchema], depth: int = 8, *, positional: bool
) -> bool:
    """Whether two schemas exclude a shared text: by the kind, by the choices, or by a key of an object.

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


def _same_to_pydantic(codecs: list[Codec[Any]], definitions: dict[str, JsonSchema]) -> bool:
    """Whether pydantic picks the member that wrote the text, for each two members, as far as is known by now."""
    return all(_pair_is_same(one, other, definitions) for one, other in combinations(codecs, 2))


def _has_free_keys(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> bool:
    """Whether it is a dictionary."""
    found = _resolved(schema, definitions)
    return found is not None and found.get("type") == "object" and "properties" not in found and "x-tag" not in schema


def _is_object(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> bool:
    """Whether it is an object with fields, as far as is known by now."""
    found = _resolved(schema, definitions)
    return found is not None and "properties" in found


def _stands_for_object(schema: JsonSchema, state: Compilation) -> bool:
    """Whether it is an array of fields, or will be."""
    found = _resolved(schema, state.definitions)
    if found is None:
        return schema["$ref"].removeprefix("#/$defs/") in state.with_fields
    return "x-positions" in found


def _kinds_written(schema: JsonSchema, state: Compilation) -> frozenset[str]:
    """The kinds of JSON values that the compact format writes for a schema."""
    if "x-tag" in schema:
        return frozenset({"object"})
    if _stands_for_object(schema, state):
        return frozenset({"array"})
    found = _resolved(schema, state.definitions)
    if found is None:
        return _KINDS
    if "anyOf" in found:
        return frozenset[str]().union(*(_kinds_written(each, state) for each in found["anyOf"]))
    return _kinds(found, state.definitions)


def _as_written(schema: JsonSchema, resolved: JsonSchema) -> JsonSchema:
    """The schema of the text in the compact format; keys in a schema are those of the form that pydantic reads."""
    if "x-tag" in schema:
        return {"type": "object"}
    return {"type": "array"} if "x-positions" in resolved else resolved


def _is_closed(schema: JsonSchema) -> bool:
    """Whether it is an object with these keys and no others."""
    return "properties" in schema and schema.get("additionalProperties") is False


def _pair_is_same(one: Codec[Any], other: Codec[Any], definitions: dict[str, JsonSchema]) -> bool:
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


def _kinds(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> frozenset[str]:
    if "enum" in schema:
        return frozenset(_JSON_KINDS.get(class_of(value), "string") for value in schema["enum"])
    if "anyOf" in schema:
        options = [_resolved(option, definitions) for option in schema["anyOf"]]
        return frozenset[str]().union(
            *(_KINDS if option is None else _kinds(option, definitions) for option in options)
        )
    return frozenset({schema["type"]}) if "type" in schema else _KINDS


def _is_exact(codec: Codec[Any], schema: JsonSchema) -> bool:
    """Whether the values are scalars that pydantic prefers to any value that it would have to convert."""
    return codec.plain and ("enum" not in schema or schema.get("type") == "string")


def _have_tags(one: JsonSchema, other: JsonSchema) -> bool:
    """Whether a key is required in both objects, with choices that share no value."""
    return any(
        key in other.get("required", ())
        and "enum" in one["properties"][key]
        and "enum" in other["properties"][key]
        and all(isinstance(value, str) for each in (one, other) for value in each["properties"][key]["enum"])
        and not set(one["properties"][key]["enum"]) & set(other["properties"][key]["enum"])
        for key in one.get("required", ())
    )
