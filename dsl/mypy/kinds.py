"""Kinds of the values in templates, from mypy's types.

If mypy's type leaves anything open (`Any`, a class with `__getattr__`, an unknown base), so does the kind. One member of a
union other than `None` suffices: templates test for the rest in ways that are not followed here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mypy import types
from mypy.expandtype import expand_type_by_instance
from mypy.maptype import map_instance_to_supertype
from mypy.messages import format_type_bare
from mypy.nodes import Decorator, FuncDef, OverloadedFuncDef, SymbolNode, TypeInfo, Var
from mypy.options import Options
from mypy.server.trigger import make_trigger, make_wildcard_trigger

from typefold.compiler.templates.value_types import (
    METHODS,
    SAMPLES,
    UNKNOWN,
    Either,
    Elements,
    Kind,
    elements,
    stand_ins,
)

_SAMPLES: Mapping[str, object] = {f"{cls.__module__}.{cls.__qualname__}": value for cls, value in SAMPLES.items()}
_COLLECTIONS: Mapping[str, Any] = {f"builtins.{make.__name__}": make for make in (list, tuple, set, frozenset, dict)}


class Look:
    """A record of the modules and names on which findings depend, and the options by which mypy prints types."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.modules: set[str] = set()
        self.triggers: set[str] = set()

    def into(self, info: TypeInfo, name: str) -> None:
        for base in info.mro:
            self.modules.add(base.module_name)
            self.triggers.add(make_trigger(f"{base.fullname}.{name}"))
        self.triggers |= {make_trigger(info.fullname), make_wildcard_trigger(info.fullname)}


def kind_of(kind: types.Type | None, look: Look) -> Kind:
    """The kind of a value of a type."""
    proper = types.get_proper_type(kind)
    if isinstance(proper, types.TypeVarType):
        proper = types.get_proper_type(proper.upper_bound)
    if isinstance(proper, types.LiteralType):
        proper = proper.fallback
    if isinstance(proper, types.UnionType):
        items = map(types.get_proper_type, proper.items)
        return Either.of(kind_of(item, look) for item in items if not isinstance(item, types.NoneType))
    if isinstance(proper, types.Instance) and proper.type.fullname == "builtins.object":
        return UNKNOWN
    if isinstance(proper, types.TypeType) or (isinstance(proper, types.CallableType) and proper.is_type_obj()):
        of = kind_of(proper.item if isinstance(proper, types.TypeType) else proper.ret_type, look)
        return ClassOf(of, look) if isinstance(of, MypyKind) else UNKNOWN
    if isinstance(proper, (types.Instance, types.TupleType, types.TypedDictType, types.CallableType)):
        return MypyKind(proper, look)
    return UNKNOWN


class MypyKind(Kind):
    """The kind of a value of a known type of mypy's."""

    def __init__(self, type: types.ProperType, look: Look) -> None:
        self._type = type
        self._look = look

    @property
    def info(self) -> TypeInfo | None:
        fallback = self._type.partial_fallback if isinstance(self._type, types.TupleType) else self._type
        return fallback.type if isinstance(fallback, types.Instance) else None

    def __str__(self) -> str:
        return format_type_bare(self._type, self._look.options)

    def attribute(self, name: str) -> Kind | None:
        kind = self._type
        if isinstance(kind, types.TypedDictType):
            if (item := kind.items.get(name)) is not None:
                return kind_of(item, self._look)
            return self._member(kind.fallback, name) if kind.fallback.type.get(name) is not None else None
        if isinstance(kind, types.TupleType):
            return self._member(kind.partial_fallback, name)
        return self._member(kind, name) if isinstance(kind, types.Instance) else UNKNOWN

    def item(self, key: object) -> Kind | None:
        kind = self._type
        if isinstance(kind, types.TypedDictType):
            if key is ...:
                return UNKNOWN
            item = kind.items.get(key) if isinstance(key, str) else None
            return None if item is None else kind_of(item, self._look)
        if isinstance(kind, types.TupleType):
            if key is ... or isinstance(key, slice):
                every = Either.of(kind_of(item, self._look) for item in kind.items)
                return every if key is ... else Elements(every)
            inside = isinstance(key, int) and -len(kind.items) <= key < len(kind.items)
            return kind_of(kind.items[key], self._look) if isinstance(key, int) and inside else None
        if not isinstance(kind, types.Instance):
            return UNKNOWN
        if (argument := _argument(kind, "typing.Mapping", 1)) is not None:
            return None if isinstance(key, slice) else kind_of(argument, self._look)
        if (argument := _argument(kind, "typing.Sequence", 0)) is not None:
            if isinstance(key, slice):
                return self
            return kind_of(argument, self._look) if key is ... or isinstance(key, int) else None
        return UNKNOWN if _is_open(kind.type, "__getitem__") else None

    def element(self) -> Kind | None:
        kind = self._type
        if isinstance(kind, types.TupleType):
            return Either.of([kind_of(item, self._look) for item in kind.items])
        if isinstance(kind, types.TypedDictType):
            return kind_of(_argument(kind.fallback, "typing.Mapping", 0), self._look)
        if not isinstance(kind, types.Instance):
            return UNKNOWN
        argument = _argument(kind, "typing.Iterable", 0)
        if argument is not None:
            return kind_of(argument, self._look)
        return UNKNOWN if _is_open(kind.type, "__iter__", "__getitem__") else None

    def called(self) -> Kind | None:
        if isinstance(self._type, types.CallableType):
            return kind_of(self._type.ret_type, self._look)
        return UNKNOWN if self.info is not None and _is_open(self.info, "__call__", "__getattr__") else None

    def samples(self) -> Sequence[object]:
        kind, info = self._type, self.info
        if isinstance(kind, types.TypedDictType):
            return [dict[str, object]()]
        if info is None:
            return stand_ins(frozenset({"__call__"}))
        if _is_open(info, "__getattr__", "__getattribute__") or info.is_protocol or info.is_abstract:
            return ()
        bases = {base.fullname: base for base in info.mro}
        for cls, value in _SAMPLES.items():
            if cls in bases:
                return [value]
        for cls, make in _COLLECTIONS.items():
            if cls in bases:
                element = self.element() or UNKNOWN
                return [make(elements(element))] if make is not dict else [dict[object, object]()]
        return stand_ins(frozenset[str]().union(*(METHODS & base.names.keys() for base in info.mro[:-1])))

    def names(self) -> Collection[str]:
        kind = self._type
        names: set[str] = set(kind.items) if isinstance(kind, types.TypedDictType) else set()
        if self.info is not None:
            names |= {name for base in self.info.mro for name in base.names if not name.startswith("_")}
        return names

    def _member(self, instance: types.Instance, name: str) -> Kind | None:
        info = instance.type
        self._look.into(info, name)
        found = info.get(name)
        if found is not None and found.node is not None:
            return _of_member(found.node, instance, self._look)
        if (value := _argument(instance, "typing.Mapping", 1)) is not None:  # by key, as Jinja2 does
            return kind_of(value, self._look)
        return UNKNOWN if _is_open(info, "__getattr__", "__getattribute__") else None


class ClassOf(Kind):
    """The kind of a class, known by its instances: of `cls`, of `type[T]`, of a class by its name."""

    def __init__(self, instance: MypyKind, look: Look) -> None:
        self._instance = instance
        self._look = look

    def __str__(self) -> str:
        return f"type[{self._instance}]"

    def attribute(self, name: str) -> Kind | None:
        info, meta = self._instance.info, self._meta
        if info is None or info.fallback_to_any or info.meta_fallback_to_any:
            return UNKNOWN
        self._look.into(info, name)
        found = info.get(name)
        if found is None or found.node is None:
            by_meta = meta is not None and (
                meta.get(name) is not None or _is_open(meta, "__getattr__", "__getattribute__")
            )
            return UNKNOWN if by_meta or hasattr(type, name) else None
        enum = isinstance(found.node, Var) and info.is_enum and name in info.enum_members
        return self._instance if enum else UNKNOWN

    def item(self, key: object) -> Kind | None:
        return self._instance if self._is_enum else UNKNOWN

    def element(self) -> Kind | None:
        is_open = self._meta is not None and _is_open(self._meta, "__iter__", "__getitem__")
        return self._instance if self._is_enum else UNKNOWN if is_open else None

    def called(self) -> Kind | None:
        return self._instance

    def samples(self) -> Sequence[object]:
        return stand_ins(frozenset({"__call__"})) if self._meta is None else ()

    def names(self) -> Collection[str]:
        return self._instance.names()

    @property
    def _is_enum(self) -> bool:
        return self._instance.info is not None and self._instance.info.is_enum

    @property
    def _meta(self) -> TypeInfo | None:
        """Its metaclass, if that is another than `type`."""
        info = self._instance.info
        return info.metaclass_type.type if info is not None and info.metaclass_type is not None else None


def _of_member(node: SymbolNode, instance: types.Instance, look: Look) -> Kind:
    if isinstance(node, OverloadedFuncDef) and node.is_property:
        first = node.items[0]
        node = first.func if isinstance(first, Decorator) else first
    if isinstance(node, Decorator):
        node = node.func if node.func.is_property else node.var
    if isinstance(node, Var) and node.type is not None:
        return kind_of(_as_seen(node.type, node.info, instance), look)
    if isinstance(node, FuncDef) and isinstance(node.type, types.CallableType):
        signature = types.get_proper_type(_as_seen(node.type, node.info, instance))
        given = signature.ret_type if isinstance(signature, types.CallableType) and node.is_property else signature
        return kind_of(given, look)
    return UNKNOWN


def _as_seen(kind: types.Type, owner: TypeInfo, instance: types.Instance) -> types.Type:
    """A type from the body of a class, with its type variables replaced by the arguments of an instance."""
    if owner and instance.type.has_base(owner.fullname):
        return expand_type_by_instance(kind, map_instance_to_supertype(instance, owner))
    return kind


def _argument(instance: types.Instance, base: str, index: int) -> types.Type | None:
    """A type argument of a base, seen from an instance; of an iterable class without arguments, an open one."""
    for info in instance.type.mro:
        if info.fullname == base:
            arguments = map_instance_to_supertype(instance, info).args
            return arguments[index] if index < len(arguments) else None
    return None


def _is_open(info: TypeInfo, *methods: str) -> bool:
    """Whether a class may have more than its names: it has an unknown base, or defines one of these methods."""
    containing = (info.get_containing_type_info(method) for method in methods)
    return info.fallback_to_any or any(each is not None and each.fullname != "builtins.object" for each in containing)
