"""mypy's types as kinds of values that templates show.

Where mypy's type leaves anything open (Any, a class with `__getattr__`, a base that is not known), so does the kind. A
member of a union other than `None` suffices: templates test for the rest in ways that are not followed here.
"""

from __future__ import annotations

from collections.abc import Collection

from mypy.expandtype import expand_type_by_instance
from mypy.maptype import map_instance_to_supertype
from mypy.messages import format_type_bare
from mypy.nodes import Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeInfo, Var
from mypy.options import Options
from mypy.server.trigger import make_trigger, make_wildcard_trigger
from mypy.types import (
    CallableType,
    Instance,
    LiteralType,
    NoneType,
    ProperType,
    TupleType,
    Type,
    TypedDictType,
    TypeVarType,
    UnionType,
    get_proper_type,
)

from typefold.compiler.templates.value_types import UNKNOWN, Either, Kind

__all__ = ["Look", "MypyKind", "kind_of"]


class Look:
    """What was looked into: the modules and names on which the findings depend.

    Args:
        options: How mypy prints types.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.modules: set[str] = set()
        self.triggers: set[str] = set()

    def into(self, info: TypeInfo, name: str) -> None:
        """Note that a class was asked for a name."""
        for base in info.mro:
            self.modules.add(base.module_name)
            self.triggers.add(make_trigger(f"{base.fullname}.{name}"))
        self.triggers |= {make_trigger(info.fullname), make_wildcard_trigger(info.fullname)}


def kind_of(kind: Type | None, look: Look) -> Kind:
    """The kind of a value of a type."""
    proper = get_proper_type(kind)
    if isinstance(proper, TypeVarType):
        proper = get_proper_type(proper.upper_bound)
    if isinstance(proper, LiteralType):
        proper = proper.fallback
    if isinstance(proper, UnionType):
        return Either.of(
            [kind_of(item, look) for item in proper.items if not isinstance(get_proper_type(item), NoneType)]
        )
    if isinstance(proper, Instance) and proper.type.fullname == "builtins.object":
        return UNKNOWN
    if isinstance(proper, (Instance, TupleType, TypedDictType, CallableType)):
        return MypyKind(proper, look)
    return UNKNOWN


class MypyKind(Kind):
    """The kind of a value that mypy knows something of."""

    def __init__(self, type: ProperType, look: Look) -> None:
        self._type = type
        self._look = look

    def __str__(self) -> str:
        return format_type_bare(self._type, self._look.options)

    def attribute(self, name: str) -> Kind | None:
        """By attribute or, as Jinja2 does, by key."""
        kind = self._type
        if isinstance(kind, TypedDictType):
            if (item := kind.items.get(name)) is not None:
                return kind_of(item, self._look)
            return self._member(kind.fallback, name) if kind.fallback.type.get(name) is not None else None
        if isinstance(kind, TupleType):
            return self._member(kind.partial_fallback, name)
        return self._member(kind, name) if isinstance(kind, Instance) else UNKNOWN

    def item(self, key: object) -> Kind | None:
        """What is under a key."""
        kind = self._type
        if isinstance(kind, TypedDictType):
            item = kind.items.get(key) if isinstance(key, str) else None
            return None if item is None else kind_of(item, self._look)
        if isinstance(kind, TupleType):
            inside = isinstance(key, int) and -len(kind.items) <= key < len(kind.items)
            return kind_of(kind.items[key], self._look) if isinstance(key, int) and inside else None
        if not isinstance(kind, Instance):
            return UNKNOWN
        for base, index in (("typing.Mapping", 1), ("typing.Sequence", 0)):
            if (argument := _argument(kind, base, index)) is not None:
                return kind_of(argument, self._look) if base == "typing.Mapping" or isinstance(key, int) else None
        return UNKNOWN if _is_open(kind.type, "__getitem__") else None

    def element(self) -> Kind | None:
        """What `for` takes."""
        kind = self._type
        if isinstance(kind, TupleType):
            return Either.of([kind_of(item, self._look) for item in kind.items])
        if isinstance(kind, TypedDictType):
            return kind_of(_argument(kind.fallback, "typing.Mapping", 0), self._look)
        if not isinstance(kind, Instance):
            return UNKNOWN
        argument = _argument(kind, "typing.Iterable", 0)
        if argument is not None:
            return kind_of(argument, self._look)
        return UNKNOWN if _is_open(kind.type, "__iter__", "__getitem__") else None

    def called(self) -> Kind:
        """What a call of a method gives."""
        return kind_of(self._type.ret_type, self._look) if isinstance(self._type, CallableType) else UNKNOWN

    def names(self) -> Collection[str]:
        """The public names of the class and its bases."""
        kind = self._type
        names: set[str] = set(kind.items) if isinstance(kind, TypedDictType) else set()
        fallback = kind.partial_fallback if isinstance(kind, TupleType) else kind
        if isinstance(fallback, Instance):
            names |= {name for base in fallback.type.mro for name in base.names if not name.startswith("_")}
        return names

    def _member(self, instance: Instance, name: str) -> Kind | None:
        info = instance.type
        self._look.into(info, name)
        found = info.get(name)
        if found is not None and found.node is not None:
            return _of_member(found.node, instance, self._look)
        if (value := _argument(instance, "typing.Mapping", 1)) is not None:
            return kind_of(value, self._look)
        return UNKNOWN if _is_open(info, "__getattr__", "__getattribute__") else None


def _of_member(node: SymbolNode, instance: Instance, look: Look) -> Kind:
    """The kind of what a class defines under a name, as an instance has it."""
    if isinstance(node, OverloadedFuncDef) and node.is_property:
        first = node.items[0]
        node = first.func if isinstance(first, Decorator) else first
    if isinstance(node, Decorator):
        node = node.func if node.func.is_property else node.var
    if isinstance(node, Var) and node.type is not None:
        return kind_of(_as_seen(node.type, node.info, instance), look)
    if isinstance(node, FuncDef) and isinstance(node.type, CallableType):
        signature = get_proper_type(_as_seen(node.type, node.info, instance))
        given = signature.ret_type if isinstance(signature, CallableType) and node.is_property else signature
        return kind_of(given, look)
    return UNKNOWN


def _as_seen(kind: Type, owner: TypeInfo, instance: Instance) -> Type:
    """A type that a class wrote, with what its type variables stand for in an instance."""
    if owner and instance.type.has_base(owner.fullname):
        return expand_type_by_instance(kind, map_instance_to_supertype(instance, owner))
    return kind


def _argument(instance: Instance, base: str, index: int) -> Type | None:
    """A type argument of a base, seen from an instance; of an iterable class without arguments, an open one."""
    for info in instance.type.mro:
        if info.fullname == base:
            arguments = map_instance_to_supertype(instance, info).args
            return arguments[index] if index < len(arguments) else None
    return None


def _is_open(info: TypeInfo, *methods: str) -> bool:
    """Whether there may be more to a class than its names: it has a base that is not known, or asks at run time."""
    return info.fallback_to_any or any(
        (found := info.get(method)) is not None and not _is_of_object(found.node) for method in methods
    )


def _is_of_object(node: SymbolNode | None) -> bool:
    return isinstance(node, FuncDef) and bool(node.info) and node.info.fullname == "builtins.object"
