"""`.defer`: every argument may be deferred, by name too.

The declared signature says so of positional arguments alone, since a `ParamSpec` can't be widened in the type system.
"""

from __future__ import annotations

from mypy.nodes import TypeInfo
from mypy.plugin import MethodSigContext
from mypy.types import AnyType, CallableType, FunctionLike, Instance, ParamSpecType, Type, UnionType, get_proper_type

__all__ = ["widened"]


def widened(ctx: MethodSigContext, deferred: TypeInfo | None) -> FunctionLike:
    """The signature with `T | Deferred[T]` for every parameter of type `T`."""
    signature = ctx.default_signature
    if deferred is None or _is_widened(signature, deferred):
        return signature
    types = [_or_deferred(kind, deferred) for kind in signature.arg_types]
    return signature.copy_modified(arg_types=types)  # pyright: ignore[reportUnknownMemberType]  # mypy's own annotations


def _or_deferred(kind: Type, deferred: TypeInfo) -> Type:
    if isinstance(get_proper_type(kind), (AnyType, ParamSpecType)):
        return kind
    return UnionType.make_union([kind, Instance(deferred, [kind])])


def _is_widened(signature: CallableType, deferred: TypeInfo) -> bool:
    """Whether it is one of the overloads that are declared with deferred arguments."""
    return any(
        isinstance(member, Instance) and member.type is deferred
        for kind in signature.arg_types
        if isinstance(union := get_proper_type(kind), UnionType)
        for member in map(get_proper_type, union.items)
    )
