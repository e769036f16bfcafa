"""Unions: any text of a member, read as pydantic reads it, and a value is written by the member that accepts it.

Members may share texts. pydantic decides which of them reads one: in its smart mode the best fit, from left to right where
`union_mode` says so, else as a discriminator tells. Where a member is of a kind that pydantic does not know, a stand-in
takes its place (`types.union_readers`). In the compact format objects are arrays, which look alike: where several members
may be arrays, those that hold objects are put under names of their own, and the name decides.
"""

# pyright: reportUnknownLambdaType=false
# (dataclasses.replace tells the lambdas that it is given no types)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Discriminator

from typefold.compiler.codec import Codec, JsonSchema
from typefold.compiler.context import Compilation, Context, UnionMembers
from typefold.compiler.errors import describe
from typefold.compiler.grammar.matcher import Matcher, recognises
from typefold.compiler.grammar.nodes import Language, choice, seq
from typefold.compiler.guards import class_of, is_dict, is_list, split_annotated
from typefold.compiler.json_format import write_exact
from typefold.compiler.limits import SKIPPED
from typefold.compiler.registry import default_registry
from typefold.compiler.types.objects import generic_of
from typefold.compiler.types.union_readers import best_fit, union_reader

ANY_KIND = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
JSON_KINDS: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    list: "array",
    dict: "object",
}


@default_registry.hook(Union, UnionType)
def union_codec(hint: Any, context: Context) -> Codec[Any]:
    """Any of the members; a text that several share is read as pydantic reads it."""
    members, state, limits = _offered(hint, context), context.compilation, context.limits
    for member in members:
        if limits.names() and isinstance(member, type) and issubclass(member, BaseModel):
            limit, name = limits.names()[0], describe(member)
            raise context.refuse(
                hint, f"has the limit {limit}, which no {name} meets; put it on the types that it is for"
            )
    if isinstance(limits.discriminator, Discriminator):
        context.check(f"discriminator {getattr(limits.discriminator.discriminator, '__qualname__', 'function')}")
    tags = context.tags.union([limits.discriminator] if isinstance(limits.discriminator, str) else ())
    # pydantic checks a limit on a union for the value of any member. Beside None it is the other member's limit.
    optional = len(members) == 2 and type(None) in members and limits.names() and not limits.changing

    def compiled(member: Any, *, beside_whole: bool) -> Codec[Any]:
        if optional and member is not type(None):
            return replace(context, tags=tags, beside_whole=beside_whole).same(member)
        return context.codec(member, at=f"|{describe(member)}", tags=tags, beside_whole=beside_whole)

    codecs = [compiled(member, beside_whole=context.beside_whole) for member in members]
    kinds = [_kinds_written(codec.schema, state) for codec in codecs]
    if not context.beside_whole and any("integer" in each for each in kinds):
        for index, each in enumerate(kinds):
            if "number" in each:
                codecs[index] = compiled(members[index], beside_whole=True)
    native = all(codec.native for codec in codecs)
    if context.positional and (named := _put_under_names(members, codecs, context)):
        judgement = f"{context.path}: {describe(hint)}"
        native = native and judgement not in state.not_native and _told_apart(codecs, named, state.definitions)

        def finish() -> None:
            if native and not _told_apart(codecs, named, state.definitions):
                state.misjudged.add(judgement)

        state.later.append(finish)

    @cache
    def language(index: int) -> Language:
        return Language(codecs[index].expr, state.rules)  # all of which are known once there is an answer

    def admits(index: int, data: Any) -> bool:
        return recognises(language(index), write_exact(data, context.json_format))

    def to_json(value: Any) -> Any:
        owners = [index for index, codec in enumerate(codecs) if codec.accepts(value)]
        problem = ValueError(f"{value!r} belongs to no member of {describe(hint)}")
        for index in owners:
            try:
                data = codecs[index].to_json(value)
            except ValueError as error:  # of another member it may be a value all the same
                problem = error
            else:
                if index == owners[-1] or admits(index, data):
                    return data
        raise problem

    def expand(data: Any) -> Any:
        if not (is_list(data) or is_dict(data)):
            return data
        text = write_exact(data, context.json_format)
        writers = _writers([language(index) for index in range(len(codecs))], text)
        return _common([codecs[index].expanded(data) for index in writers]) if writers else data

    codec = Codec(
        choice(*(codec.expr for codec in codecs)),
        {"anyOf": [codec.schema for codec in codecs]},
        to_json,
        union_reader(members, codecs, admits, context),
        lambda value: any(codec.accepts(value) for codec in codecs),
        native=native,
        plain=all(codec.plain for codec in codecs),
        expand=expand if any(codec.expand is not None for codec in codecs) else None,
        fit=lambda data: best_fit([each.fits(data) for index, each in enumerate(codecs) if admits(index, data)]),
    )
    names = tuple(map(describe, members))
    state.unions.append(
        UnionMembers(context.path, names, tuple(codecs), codec.from_json, state.rules, state.definitions)
    )
    return codec


def _offered(hint: Any, context: Context) -> tuple[Any, ...]:
    """The members that an answer can be: those that `SkipJsonSchema` does not keep from the model."""
    members = get_args(hint)
    offered = tuple(each for each in members if not any(isinstance(mark, SKIPPED) for mark in split_annotated(each)[1]))
    if not offered:
        raise context.refuse(hint, "has no member that SkipJsonSchema does not keep from the model; leave the mark out")
    return offered


def _put_under_names(members: tuple[Any, ...], codecs: list[Codec[Any]], context: Context) -> list[int]:
    """Put members under names where several may be arrays, so that their texts differ by construction; return which.

    Names are given to members that stand for objects; to arrays that hold objects, such as `tuple[A] | tuple[B]`, which
    differ by no key any more; and then to all that may be objects in JSON, since such a name may be one of their keys.
    """
    state = context.compilation
    kinds = [_kinds_written(codec.schema, state) for codec in codecs]
    if sum("array" in each for each in kinds) < 2:
        return []
    objects = {index for index, codec in enumerate(codecs) if _stands_for_object(codec.schema, state)}
    hold = {i for i, codec in enumerate(codecs) if "array" in kinds[i] and codec.expand is not None} - objects
    named = (
        objects | hold
        if len(hold) > 1 or (hold and len(hold | objects) < sum("array" in each for each in kinds))
        else objects
    )
    if not named:
        return []
    found = sorted(named | {index for index, each in enumerate(kinds) if "object" in each})
    for index, tag in zip(found, _tags_of([members[index] for index in found]), strict=True):
        codecs[index] = tagged(codecs[index], tag, context)
    return found


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
        fit=lambda data: codec.fits(inside(data)),
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


# --- questions that the members' JSON schemas answer, for the compact format ---
# A type that is still being compiled has no schema yet: `union_codec` asks again when all are known.


def _told_apart(codecs: list[Codec[Any]], named: list[int], definitions: dict[str, JsonSchema]) -> bool:
    """Whether pydantic, which does not see the names, tells the members under them apart by a tag, as far as is known."""
    schemas = [_resolved(codecs[index].schema, definitions) for index in named]
    known = [schema for schema in schemas if schema is not None]
    return all("properties" in schema for schema in known) and all(
        _have_tags(one, other) for one, other in combinations(known, 2)
    )


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
        return ANY_KIND
    if "anyOf" in found:
        return frozenset[str]().union(*(_kinds_written(each, state) for each in found["anyOf"]))
    if "enum" in found:
        return frozenset(JSON_KINDS.get(class_of(value), "string") for value in found["enum"])
    return frozenset({found["type"]}) if "type" in found else ANY_KIND


def _resolved(schema: JsonSchema, definitions: dict[str, JsonSchema]) -> JsonSchema | None:
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name not in definitions:
            return None
        schema = definitions[name]
    return schema
