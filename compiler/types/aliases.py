"""Names for other types: `NewType`, type aliases, type variables, `Self`, and the qualifiers around a field's type."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any, Final, LiteralString, NotRequired, Required, Self, Union, get_args, get_type_hints

from typing_extensions import NoDefault, ReadOnly
from typing_inspection.typing_objects import is_newtype, is_typealiastype, is_typevar

from typefold.compiler.codec import Codec
from typefold.compiler.context import Context
from typefold.compiler.registry import default_registry
from typefold.compiler.types.objects import generic_of, substituted


@default_registry.hook_factory(is_newtype)
def new_type_codec(hint: Any, context: Context) -> Codec[Any]:
    """As the type underneath."""
    return context.same(hint.__supertype__)


@default_registry.hook_factory(lambda hint: is_typealiastype(generic_of(hint)))
def alias_codec(hint: Any, context: Context) -> Codec[Any]:
    """As the type that the alias stands for; a recursive alias becomes a rule."""
    alias = generic_of(hint)
    target = substituted(_target(alias, context), dict(zip(alias.__type_params__, get_args(hint), strict=False)))
    if context.limits or context.tags:
        return context.same(target)
    return context.named(hint, lambda: context.same(target))


def _target(alias: Any, context: Context) -> Any:
    """The type that the alias stands for, with names in quotes looked up where it was written."""
    names = {each.__name__: each for each in (alias, *alias.__type_params__)}
    holder = type("_", (), {"__annotations__": {"target": alias.__value__}})
    try:
        module = vars(sys.modules[alias.__module__]) if alias.__module__ in sys.modules else {}
        return get_type_hints(holder, module, names, include_extras=True)["target"]
    except NameError as error:
        raise context.refuse(alias, f"refers to a name that is not defined ({error})") from error


@default_registry.hook(Required, NotRequired, ReadOnly, Final)
def qualifier_codec(hint: Any, context: Context) -> Codec[Any]:
    """As the type inside: a qualifier describes a field, not its value."""
    if not get_args(hint):
        raise context.refuse(hint, "does not name a type; write it in brackets")
    return context.same(get_args(hint)[0])


@default_registry.hook_factory(is_typevar)
def type_var_codec(hint: Any, context: Context) -> Codec[Any]:
    """In a generic type without its argument: the variable's default, its bound or its constraints, as in pydantic."""
    default = getattr(hint, "__default__", NoDefault)
    if default is not NoDefault and default is not None:
        return context.same(default)
    if hint.__bound__ is not None:
        return context.same(hint.__bound__)
    if hint.__constraints__:
        return context.same(Union[hint.__constraints__])  # noqa: UP007  # made at run time
    raise context.refuse(hint, "is a type variable; give the generic type its argument")


@default_registry.hook(Self)
def self_codec(hint: Any, context: Context) -> Codec[Any]:
    """The class that it is written in."""
    if not context.compilation.owners:
        raise context.refuse(hint, "stands for a class, and there is none around it; name the type")
    return context.same(context.compilation.owners[-1])


@default_registry.hook(LiteralString)
def literal_string_codec(hint: Any, context: Context) -> Codec[Any]:
    """As `str`: where a text comes from is a matter for type checkers, and unknown to pydantic."""
    return replace(context.same(str), native=False)
