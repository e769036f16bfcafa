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

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.errors import describe
from typefold.compiler.grammar.matcher import Matcher, Undecided, recognises, shared_text
from typefold.compiler.grammar.nodes import Language, choice, seq
from typefold.compiler.guards import is_dict, is_list, split_annotated
from typefold.compiler.json_format import write_exact
from typefold.compiler.registry import default_registry
from typefold.compiler.types.objects import generic_of
from typefold.compiler.types.union_members import (
    differ,
    has_free_keys,
    is_object,
    kinds_written,
    same_to_pydantic,
    stands_for_object,
)

_MOST_MEMBERS = 300  # each is compared with each


@default_registry.hook(Union, UnionType)
def union_codec(hint: Any, context: Context) -> Codec[Any]:
    """Any of the members."""
    members, state = get_args(hint), context.compilation
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
        and same_to_pydantic(codecs, state.definitions)
    )

    positional = context.positional

    @cache
    def language(index: int) -> Language:
        return Language(codecs[index].expr, state.rules)  # all of which are known once there is an answer

    def finish() -> None:
        for one, other in combinations(range(len(codecs)), 2):
            if not (codecs[one].plain and codecs[other].plain):
                _tell_apart(hint, members, codecs, (one, other), context, positional=positional)
        if native and not same_to_pydantic(codecs, state.definitions):
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


def _put_under_names(members: tuple[Any, ...], codecs: list[Codec[Any]], context: Context) -> None:
    """Put members under names where several may be arrays, so that their texts differ by construction.

    Names are given to members that stand for objects; to several arrays that hold objects, such as `tuple[A] | tuple[B]`,
    which differ by no key any more; and then to dictionaries, since such a name may be one of their keys.
    """
    state = context.compilation
    arrays = [kinds_written(codec.schema, state.definitions, state.with_fields) for codec in codecs]
    if sum("array" in kinds for kinds in arrays) < 2:
        return
    objects = [
        index
        for index, codec in enumerate(codecs)
        if stands_for_object(codec.schema, state.definitions, state.with_fields)
    ]
    hold = [
        i for i, codec in enumerate(codecs) if "array" in arrays[i] and codec.expand is not None and i not in objects
    ]
    named = objects + hold if len(hold) > 1 else objects
    if named:
        named = sorted(named + [i for i, codec in enumerate(codecs) if has_free_keys(codec.schema, state.definitions)])
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


def _tell_apart(
    hint: Any,
    members: tuple[Any, ...],
    codecs: list[Codec[Any]],
    pair: tuple[int, int],
    context: Context,
    *,
    positional: bool,
) -> None:
    one, other = pair
    names = f"{describe(members[one])} and {describe(members[other])}"
    definitions = context.compilation.definitions
    remedy = "keep one of them, or give each a field with a Literal of its own (a tag)"
    if not all(is_object(codec.schema, definitions) for codec in (codecs[one], codecs[other])):
        remedy = "keep one of them, or put each in a model with a Literal of its own (a tag)"
    if differ(codecs[one].schema, codecs[other].schema, definitions, positional=positional):
        return
    try:
        text = shared_text(codecs[one].expr, codecs[other].expr, context.compilation.rules)
    except Undecided:
        raise context.refuse(hint, f"has members that may share a text, {names}; {remedy}") from None
    if text is not None:
        raise context.refuse(hint, f"has two members that can both be written as {text}: {names}; {remedy}")
